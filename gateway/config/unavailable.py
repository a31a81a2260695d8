"""Settings of the product that this version does not have. Each is refused by name, never ignored.

A later version that brings one deletes its row.
"""

from collections.abc import Iterator
from typing import Any

from gateway.config.documents import Place, Tree

# Where the setting is ("*": any route), and what it is.
NOT_YET: tuple[tuple[tuple[str, ...], str], ...] = ((("routes", "*", "upstream", "http"), "HTTP/2 upstreams"),)


def unavailable(tree: Tree) -> list[tuple[Place, str]]:
    """A complaint for each such setting; it is taken out of the tree, so that nothing else is said of it."""
    found = [
        (place, f"this version does not have {what} yet; remove the setting")
        for pattern, what in NOT_YET
        for place in _matching(tree, pattern, ())
    ]
    for place, _ in found:
        _remove(tree, place)
    return found


def _matching(node: Any, pattern: tuple[str, ...], above: Place) -> Iterator[Place]:  # noqa: ANN401 - any value
    if not pattern:
        yield above
    elif pattern[0] == "*":
        for index, child in enumerate(node if isinstance(node, list) else ()):
            yield from _matching(child, pattern[1:], (*above, index))
    elif isinstance(node, dict) and pattern[0] in node:
        yield from _matching(node[pattern[0]], pattern[1:], (*above, pattern[0]))


def _remove(tree: Tree, place: Place) -> None:
    node: Any = tree
    for step in place[:-1]:
        node = node[step]
    del node[place[-1]]
