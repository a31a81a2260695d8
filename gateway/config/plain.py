"""What has no place in a tree of plain values: names that are not text, and text that cannot be UTF-8."""

from collections.abc import Iterator
from datetime import date
from typing import Any

from gateway.config.documents import Place, Tree

_NOT_A_NAME = "is not a name; put it in quotes, or remove it"
_NO_NAME = "has a list or a mapping where a name belongs; remove it, and quote a template's braces"
_NOT_TEXT = "is not text in UTF-8: it has half a character; write it anew"


def not_plain(tree: Tree) -> list[tuple[Place, str]]:
    """A complaint for each; it is taken out of the tree, so that nothing else is said of it."""
    found: list[tuple[Place, str]] = []
    # A stack, not a recursion: JSON in a variable may be nested deeper than Python calls itself.
    waiting: list[tuple[Place, Any]] = [((), tree)]
    while waiting:
        above, node = waiting.pop()
        for step, child in _inside(node):
            sentence = _against(step, child, named=isinstance(node, dict))
            if sentence is None:
                waiting.append(((*above, step), child))
                continue
            # A name that is itself a list or a mapping may hold a secret, so that only its place is told.
            found.append((above if sentence is _NO_NAME else (*above, step), sentence))
            if isinstance(node, dict):
                del node[step]
            else:
                node[step] = None
    return found


def _inside(node: object) -> Iterator[tuple[Any, Any]]:
    if isinstance(node, dict):
        yield from list(node.items())
    elif isinstance(node, list):
        yield from list(enumerate(node))


def _against(step: object, child: object, *, named: bool) -> str | None:
    if not isinstance(step, str) and named:
        scalar = step is None or isinstance(step, int | float | date)
        return _NOT_A_NAME if scalar else _NO_NAME
    return None if _is_text(step) and _is_text(child) else _NOT_TEXT


def _is_text(value: object) -> bool:
    """Anything but a string with a surrogate in it, which an escape or a variable can hold."""
    if not isinstance(value, str):
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
