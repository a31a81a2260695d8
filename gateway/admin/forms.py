"""An operator's word as a form of the page brings it, read into what the API takes as JSON, and judged alike.

Knows fields and line ends: browsers send the lines of a text with CR LF, whatever was written. Refuses to know records.
"""

from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import parse_qs

from pydantic import ValidationError

from gateway.admin import wording
from gateway.admin.answers import GivenAnswer, Word
from gateway.admin.problems import Fault, Problem, invalid

Shape = TypeVar("Shape", bound=Word)


def fields_of(body: bytes) -> dict[str, str]:
    """The fields of a form, each once; of a field that comes twice, none."""
    found = parse_qs(body.decode("latin-1"), keep_blank_values=True, errors="replace")
    return {name: values[0].replace("\r\n", "\n") for name, values in found.items() if len(values) == 1}


def word(fields: Mapping[str, str]) -> Word | Problem:
    """A release, or a forgetting."""
    return _sure(fields) or _read(Word, _shown(fields))


def answer(fields: Mapping[str, str]) -> GivenAnswer | Problem:
    """A resolution: headers stand one a line."""
    lines = [line for line in fields.get("headers", "").split("\n") if line.strip()]
    given: dict[str, object] = {
        **_shown(fields),
        "status": _number(fields, "status"),
        "headers": [[part.strip() for part in line.split(":", 1)] for line in lines],
        "body": fields.get("body", ""),
    }
    return _sure(fields) or _read(GivenAnswer, given)


def _shown(fields: Mapping[str, str]) -> dict[str, object]:
    """Which record the word is on, and why."""
    created = {"created_at": fields["created_at"]} if "created_at" in fields else {}
    return {"fence": _number(fields, "fence"), "note": fields.get("note", "").strip(), **created}


def _sure(fields: Mapping[str, str]) -> Problem | None:
    told = "has to be ticked: nothing was done"
    return None if fields.get("sure") == "yes" else invalid([Fault(where="the box above the button", sentence=told)])


def _read(shape: type[Shape], given: Mapping[str, object]) -> Shape | Problem:
    try:
        return shape.model_validate(given)
    except ValidationError as fault:
        return wording.told(fault.errors())


def _number(fields: Mapping[str, str], name: str) -> object:
    """What is no number stays text, and is told so."""
    given = fields.get(name, "").strip()
    return int(given) if given.isascii() and given.isdigit() and len(given) < 20 else given
