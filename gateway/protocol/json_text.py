"""JSON read for a value in it, with numbers as they were written.

Pure. Two parsers must not find two values at one pointer, so a name that occurs twice is a fault; a number beyond any
machine's is not, because nobody computes with it here.
"""

import json
import re
from collections.abc import Sequence
from typing import Any


class Literal(str):
    """A number, as it was written. ``whole``: it has neither fraction nor exponent."""

    __slots__ = ()

    @property
    def whole(self) -> bool:
        """Whether it is written as a whole number."""
        return self.removeprefix("-").isdigit()


def read_json(text: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """The value of ``text``; ``ValueError`` whose message follows "the body"."""
    try:
        return json.loads(
            text.decode("utf-8"),
            object_pairs_hook=_members,
            parse_int=Literal,
            parse_float=Literal,
            parse_constant=_no_constant,
        )
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    except (UnicodeDecodeError, json.JSONDecodeError):
        raise ValueError("is not JSON in UTF-8") from None


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("has a name twice")
    return members


def _no_constant(name: str) -> str:
    raise ValueError(f"holds {name}, which is not JSON")


# Reads one value and tells where it ends.
_READER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\n\r]*")


def piece_at(text: str, tokens: Sequence[str]) -> str:
    """The value that a pointer's ``tokens`` lead to, as it is written in ``text``, which ``read_json`` has read before.

    ``LookupError`` where they lead nowhere.
    """
    at = _after_space(text, 0)
    for token in tokens:
        at = _inside(text, at, token)
    return text[at : _READER.raw_decode(text, at)[1]]


def _inside(text: str, at: int, token: str) -> int:
    """Where the member or element ``token`` of the value at ``at`` begins."""
    if text[at] not in "{[":
        raise LookupError("the pointer leads nowhere")
    named, number = text[at] == "{", 0
    at = _after_space(text, at + 1)
    while text[at] not in "}]":
        name = str(number)
        if named:
            name, at = _READER.raw_decode(text, at)
            at = _after_space(text, _after_space(text, at) + 1)
        if name == token:
            return at
        at = _after_space(text, _READER.raw_decode(text, at)[1])
        if text[at] == ",":
            at = _after_space(text, at + 1)
        number += 1
    raise LookupError("the pointer leads nowhere")


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at
