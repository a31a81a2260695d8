"""What a call leaves to be asked about, taken when it is claimed: the values that its route's templates name.

Request bodies and headers are never kept, so a reconciler could not look these up later. Pure; the bytes are sealed by
the store. A value that is missing, or that no template could hold, leaves nothing: such a call is guarded like any
other, and an operator decides should its outcome become unknown.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from gateway.policies.templates import Gap, Slot, Source
from gateway.protocol.fingerprint import LARGEST_JSON, Body, RequestFacts, point, pointer_tokens
from gateway.protocol.headers import values
from gateway.protocol.json_text import read_json

# In characters; more than any reference has.
LONGEST_VALUE = 1024

_MOST_FIELDS = 1000


def taken(slots: Sequence[Slot], facts: RequestFacts, key: str | None) -> dict[str, str] | Gap:
    """The value of each place, or the first one that has none. ``key``: the call's, where one was sent."""
    found: dict[str, str] = {}
    documents = _Documents(facts.body)
    for slot in slots:
        value = _value(slot, facts, documents, key)
        if value is None:
            return Gap(slot, "is missing, or not one text or number")
        if not value.strip() or not value.isprintable() or len(value) > LONGEST_VALUE:
            return Gap(slot, f"is empty, longer than {LONGEST_VALUE} characters, or cannot be printed")
        found[str(slot)] = value
    return found


def packed(found: Mapping[str, str]) -> bytes:
    """Values as a record keeps them."""
    return json.dumps(found, separators=(",", ":"), ensure_ascii=False, sort_keys=True).encode()


def unpacked(kept: bytes) -> dict[str, str]:
    """Values as a record kept them; none where these are not what this version writes."""
    try:
        found = json.loads(kept)
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: value for name, value in found.items() if isinstance(value, str)}


class _Documents:
    """A body, read once in each way that a place asks for."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self._json: Any = None
        self._form: list[tuple[str, str]] | None = None

    def json(self) -> Any:  # noqa: ANN401 - any JSON value
        """Its JSON value; ``ValueError`` where it has none that can be read for sure, or is too long to be read now."""
        if self._json is None:
            self._json = read_json(self._bytes())
        return self._json

    def form(self) -> list[tuple[str, str]]:
        """Its fields; ``ValueError`` as above."""
        if self._form is None:
            text = self._bytes().decode("ascii")
            self._form = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
        return self._form

    def _bytes(self) -> bytes:
        if self._body.size > LARGEST_JSON:
            raise ValueError("is too long")
        return b"".join(self._body.chunks())


def _value(slot: Slot, facts: RequestFacts, documents: _Documents, key: str | None) -> str | None:
    try:
        match slot.source:
            case Source.KEY:
                return key
            case Source.HEADER:
                return _only([value.decode("ascii") for value in values(facts.headers, slot.name.encode())])
            case Source.BODY:
                return _scalar(point(documents.json(), pointer_tokens(slot.name)))
            case Source.FORM:
                return _only([value for name, value in documents.form() if name == slot.name])
    except (LookupError, ValueError):
        return None


def _only(found: Sequence[str]) -> str | None:
    """Of several nobody knows which one the upstream took."""
    return found[0] if len(found) == 1 else None


def _scalar(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str) else None
