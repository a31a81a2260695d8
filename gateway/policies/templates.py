"""Texts with places that a request fills: ``/v1/charges?reference={body:/reference}``.

Knows how such a text is written, which places there are, and how a value is put into a URL or a header so that it stays
in its place: percent-encoded but for unreserved characters, as RFC 6570 (section 3.2.2) has it, and refused where even
that would not hold it. Refuses to know where values come from.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote, unquote

from gateway.protocol.fingerprint import pointer_tokens

# What a URL holds in all, as the edge bounds it for callers too; in bytes.
LONGEST_URL = 8 * 1024

_SLOT = re.compile(r"\{([^{}]*)\}")
_HEADER = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_QUOTES = ("'", '"', "%27", "%22")


class Source(StrEnum):
    """Where in a request a value is."""

    KEY = "key"
    HEADER = "header"
    BODY = "body"
    FORM = "form"


@dataclass(frozen=True, slots=True)
class Slot:
    """One place. ``name``: of a header in lower case, a JSON Pointer into the body, or a field of a form."""

    source: Source
    name: str = ""

    def __str__(self) -> str:
        """As it is written, without its braces; values lie under it in a record."""
        return f"{self.source}:{self.name}" if self.name or self.source is Source.BODY else str(self.source)


@dataclass(frozen=True, slots=True)
class Gap:
    """A place that cannot be filled, and why; never with the value."""

    slot: Slot
    why: str


@dataclass(frozen=True, slots=True)
class Template:
    """Literal texts and places, in order."""

    pieces: tuple[str | Slot, ...]

    @property
    def slots(self) -> tuple[Slot, ...]:
        """Its places."""
        return tuple(piece for piece in self.pieces if isinstance(piece, Slot))


def parse_template(text: str) -> Template:
    """The template that ``text`` is; the sentence of its ``ValueError`` follows the setting's name."""
    pieces: list[str | Slot] = []
    end = 0
    for found in _SLOT.finditer(text):
        pieces += [text[end : found.start()], _slot(found[1])]
        end = found.end()
    pieces.append(text[end:])
    if any(brace in piece for piece in pieces if isinstance(piece, str) for brace in "{}"):
        raise ValueError(
            "has a brace that belongs to no place; write {key}, {header:Name}, {body:/pointer} or {form:name}"
        )
    return Template(tuple(piece for piece in pieces if piece))


def _slot(inner: str) -> Slot:
    source, colon, name = inner.partition(":")
    match source, bool(colon):
        case "key", False:
            return Slot(Source.KEY)
        case "header", True if _HEADER.fullmatch(name):
            return Slot(Source.HEADER, name.lower())
        case "body", True if _is_pointer(name):
            return Slot(Source.BODY, name)
        case "form", True if name:
            return Slot(Source.FORM, name)
        case _:
            # Not repeated: a credential may have braces.
            raise ValueError(
                "has braces around something else than a place; write {key}, {header:Name}, {body:/pointer} or"
                " {form:name}"
            )


def _is_pointer(text: str) -> bool:
    try:
        pointer_tokens(text)
    except ValueError:
        return False
    return True


def parse_url_template(text: str) -> Template:
    """Path and query, its literal parts percent-encoded where a URL needs that."""
    template = parse_template(text)
    if not text.startswith("/"):
        raise ValueError("must begin with a slash, such as /v1/charges/{key}")
    for piece in template.pieces:
        if isinstance(piece, str) and (not piece.isascii() or not piece.isprintable() or re.search(r"[#\\]", piece)):
            raise ValueError("must be printable ASCII without '#' and '\\'; write other characters as %20")
        if isinstance(piece, str) and re.search(r"%(?![0-9A-Fa-f]{2})", piece):
            raise ValueError("has a percent sign that encodes nothing; write %25")
    return Template(
        tuple(piece if isinstance(piece, Slot) else quote(piece, safe="%/?:@!$&'()*+,;=") for piece in template.pieces)
    )


def render_url(template: Template, values: Mapping[str, str]) -> str | Gap:
    """Path and query with the values in their places; a ``Gap`` where one has none, or would leave its place."""
    quoting = any(mark in piece for piece in template.pieces if isinstance(piece, str) for mark in _QUOTES)
    url = ""
    for piece in template.pieces:
        if isinstance(piece, str):
            url += piece
            continue
        value = values.get(str(piece))
        if value is None:
            return Gap(piece, "is missing")
        if "?" not in url and re.search(r"[/\\]", value):
            return Gap(piece, "has a slash, which a path may read as its own")
        if quoting and re.search(r"['\"\\]", value):
            return Gap(piece, "has a quote or a backslash, which may end the quotes around it")
        url += quote(value, safe="")
        if unquote(url.partition("?")[0].rpartition("/")[2]) in (".", ".."):
            return Gap(piece, "is a dot segment, which leads elsewhere")
        if len(url) > LONGEST_URL:
            return Gap(piece, "makes the URL too long")
    return url


def render_header(template: Template, values: Mapping[str, str]) -> bytes | Gap:
    """A field value; a value of the request in it is printable ASCII (RFC 9110, section 5.5)."""
    written: list[str] = []
    for piece in template.pieces:
        text = piece if isinstance(piece, str) else values.get(str(piece))
        if text is None:
            return Gap(template.slots[0], "is missing")
        if isinstance(piece, Slot) and not (text.isascii() and text.isprintable() and text == text.strip()):
            return Gap(piece, "is not printable ASCII without space around it, as a header asks for")
        written.append(text)
    return "".join(written).encode("ascii")


def render_text(template: Template, values: Mapping[str, str]) -> str | None:
    """Plain text, to be compared; ``None`` where a place has no value."""
    written = [piece if isinstance(piece, str) else values.get(str(piece)) for piece in template.pieces]
    return None if None in written else "".join(text for text in written if text is not None)
