"""JSON read for a value in it, with numbers as they were written.

Pure. Two parsers must not find two values at one pointer, so a name that occurs twice is a fault; a number beyond any
machine's is not, because nobody computes with it here.
"""

import json
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
