"""Settings of the product that this version does not have. Each is refused by name, never ignored.

A later version that brings one deletes its row.
"""

from collections.abc import Iterator
from typing import Any

from gateway.config.documents import Place, Tree

# Where the setting is ("*": any route), the values that are meant (none: any), and what it is.
NOT_YET: tuple[tuple[tuple[str, ...], tuple[str, ...], str], ...] = (
    (("callers",), (), "callers"),
    (("limits",), (), "rate limits"),
    (("digest", "keys"), (), "rotation of the digest key"),
    (("routes", "*", "upstream", "http"), (), "HTTP/2 upstreams"),
    (("routes", "*", "upstream", "proxy"), (), "an outbound proxy"),
    (("policy", "on_unknown"), ("reconcile",), "asking the upstream"),
    (("policy", "reconcile"), (), "asking the upstream"),
)


def unavailable(tree: Tree) -> list[tuple[Place, str]]:
    """A complaint for each such setting; it is taken out of the tree, so that nothing else is said of it."""
    found = [
        (place, f"this version does not have {what} yet; remove {value if values else 'the setting'}")
        for pattern, values, what in _rows()
        for place, value in _matching(tree, pattern, ())
        if not values or value in values
    ]
    for place, _ in found:
        _remove(tree, place)
    return found


def _rows() -> Iterator[tuple[tuple[str, ...], tuple[str, ...], str]]:
    for pattern, values, what in NOT_YET:
        yield pattern, values, what
        if pattern[0] == "policy":
            yield ("routes", "*", *pattern), values, what


def _matching(node: Any, pattern: tuple[str, ...], above: Place) -> Iterator[tuple[Place, Any]]:  # noqa: ANN401 - any value
    if not pattern:
        yield above, node
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


def without_unavailable(schema: dict[str, Any]) -> dict[str, Any]:
    """The JSON Schema of the configuration less what ``check`` would refuse."""
    for pattern, values, _ in NOT_YET:
        part = schema["$defs"]["PolicySettings"] if pattern[0] == "policy" else schema
        known = part["properties"].get(pattern[-1])
        if known is None or part is schema:
            continue
        if not values:
            del part["properties"][pattern[-1]]
            continue
        choices = schema["$defs"][known["$ref"].rpartition("/")[2]]["enum"]
        choices[:] = [choice for choice in choices if choice not in values]
    return schema
