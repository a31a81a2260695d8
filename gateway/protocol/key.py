"""The grammar of a key: an RFC 9651 String Item, or the bare text that most clients send.

Source: draft-ietf-httpapi-idempotency-key-header-07, section 2.1. Both forms of one text are the same key; parameters
are ignored; two field lines, or a list, are invalid. A key is bytes on the wire and ``str`` (ASCII) inside.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

import http_sf

# Printable ASCII without space, double quote, comma, semicolon.
_BARE = re.compile(rb"[!#-+\--:<-~]+")


@dataclass(frozen=True, slots=True)
class KeyFault:
    """Why a key cannot be used: one clause that follows the header's name in a sentence."""

    clause: str


class KeyForm(StrEnum):
    """The one form in which keys go upstream."""

    BARE = "bare"
    QUOTED = "quoted"


def parse_key(lines: list[bytes], *, shortest: int = 1, longest: int = 255) -> str | KeyFault | None:
    """The key that the field lines carry, ``None`` where there are none, a fault where they are no key."""
    if not lines:
        return None
    if len(lines) > 1:
        return KeyFault("was sent twice; send it once")
    text = _text(lines[0])
    if isinstance(text, KeyFault):
        return text
    return check_length(text, shortest=shortest, longest=longest)


def check_length(text: str, *, shortest: int, longest: int) -> str | KeyFault:
    """``text``, or a fault where it is shorter or longer (in characters) than the policy allows."""
    if len(text) < shortest:
        return KeyFault(f"is too short: it has {len(text)} characters, and this route asks for at least {shortest}")
    if len(text) > longest:
        return KeyFault(f"is too long: it has {len(text)} characters, and this route allows at most {longest}")
    return text


def _text(line: bytes) -> str | KeyFault:
    if _BARE.fullmatch(line):
        return line.decode("ascii")
    if not line.startswith(b'"'):
        return KeyFault("is malformed: send printable ASCII without comma, quote, semicolon or space, or quote it")
    try:
        item = http_sf.parse(line, tltype="item")
    except ValueError:
        return KeyFault("is malformed: it starts with a quote and is not a single quoted string (RFC 9651, 3.3.3)")
    value = item[0] if isinstance(item, tuple) else None
    return value if isinstance(value, str) else KeyFault("is malformed: it is not a string (RFC 9651, 3.3.3)")


def write_key(text: str, form: KeyForm) -> bytes:
    """The field value that carries ``text``; a text that has no bare form is quoted."""
    raw = text.encode("ascii")
    if form is KeyForm.BARE and _BARE.fullmatch(raw):
        return raw
    return b'"' + raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
