"""The grammar of HTTP/1.1 at the hop: how a request's head is written and an answer's head is read (RFC 9112).

Knows bytes and framing, and accepts only what can be read in one way: whatever is ambiguous is refused, because an
answer that two readers would end at different places belongs to nobody. Refuses to know connections, time and bodies.
httptools reads the fields; the checks here are those that it leaves out, and they are made on the bytes it was given.
"""

import re
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

import httptools

from gateway.protocol.headers import Fields, Header, Headers, named, values
from gateway.proxying.faults import invalid_request, malformed

MAX_HEAD = 64 * 1024
MAX_FIELDS = 200

_CONTROLS = bytes({*range(0x20), 0x7F} - set(b"\t\r\n"))
_NO_TARGET = bytes({*range(0x21), 0x7F})
_TOKEN = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_METHOD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_LENGTH = re.compile(rb"[0-9]{1,15}")
_VERSIONS = {b"HTTP/1.1 ": True, b"HTTP/1.0 ": False}

# The hop alone says where a request ends and whom it is for.
_OWN_FIELDS = frozenset({b"host", b"content-length", b"transfer-encoding"})
SAYS_THE_LENGTH = frozenset({b"content-length", b"transfer-encoding"})
_SAYS_THE_END = SAYS_THE_LENGTH | {b"connection"}
ASKS_FOR_BODY = frozenset({"POST", "PUT", "PATCH"})


class Framing(Enum):
    """What tells the end of a body (RFC 9112, section 6.3)."""

    LENGTH = "length"
    CHUNKED = "chunked"
    CLOSE = "close"


class Head(NamedTuple):
    """An answer's head. ``length`` counts bytes and is ``None`` where only the end will tell; ``persists``: the
    connection may carry another call."""

    status: int
    headers: Headers
    framing: Framing
    length: int | None
    persists: bool


def write_head(method: str, target: bytes, authority: bytes, headers: Headers, framing: bytes) -> bytes:
    """The head of a request; ``framing`` is the line that the hop adds for the body, or empty.

    Raises ``NotSent`` where a part would say more than it should: a line end, a second framing, another ``Host``.
    """
    if len(target.translate(None, _NO_TARGET)) != len(target) or not target:
        raise invalid_request("its target is empty, or has a space or a control byte")
    lines = b"".join([_field_start(name) + value + b"\r\n" for name, value in headers])
    ends = len(headers)
    if lines.count(b"\r") != ends or lines.count(b"\n") != ends or b"\0" in lines:
        raise invalid_request("a header field has a line end or a NUL in it")
    return b"%b %b HTTP/1.1\r\nHost: %b\r\n%b%b\r\n" % (write_method(method), target, authority, lines, framing)


# Few methods and names make nearly all requests: each is looked at once. Faults are not kept.
@lru_cache(maxsize=64)
def write_method(method: str) -> bytes:
    """The method in bytes; raises ``NotSent`` where it is no token."""
    if not _METHOD.fullmatch(method):
        raise invalid_request("its method is no token")
    return method.encode("ascii")


@lru_cache(maxsize=512)
def _field_start(name: bytes) -> bytes:
    judge_name(name)
    return name + b": "


def judge_name(name: bytes) -> None:
    """Raises ``NotSent`` where a request's field has a name that is none, or that is the hop's own to say."""
    if not name or name.translate(None, _TOKEN):
        raise invalid_request("a header field's name is no token")
    if name.lower() in _OWN_FIELDS:
        raise invalid_request(f"it brings a {name.decode('ascii')} of its own, which only the gateway may set")


def framing_line(method: str, length: int | None, *, streamed: bool) -> bytes:
    """The field that frames a request's body: its length where it is known, chunks for a stream without one."""
    if length is not None:
        return b"Content-Length: %d\r\n" % length
    if streamed:
        return b"Transfer-Encoding: chunked\r\n"
    return b"Content-Length: 0\r\n" if method in ASKS_FOR_BODY else b""


class _Fields:
    """What httptools calls while it reads a head."""

    __slots__ = ("fields", "whole")

    def __init__(self) -> None:
        self.fields: list[Header] = []
        self.whole = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        self.whole = True


def read_head(data: bytes, *, bodiless: bool) -> Head:
    """The head in ``data``, which ends with the first empty line; ``bodiless``: the request was a HEAD.

    Raises ``OutcomeUnknown`` where it is anything but one plain HTTP/1.x head.
    """
    modern = _VERSIONS.get(data[:9])
    if modern is None:
        raise malformed("it does not begin with HTTP/1.1 or HTTP/1.0")
    if len(data.translate(None, _CONTROLS)) != len(data):
        raise malformed("its head has control bytes")
    status, headers = _parse(data)
    if len(headers) > MAX_FIELDS:
        raise malformed(f"it has more than {MAX_FIELDS} header fields")
    if not 100 <= status <= 599 or status == 101:
        raise malformed(f"status {status} is none that was asked for")
    return _frame(status, headers, modern=modern, bodiless=bodiless)


def _parse(data: bytes) -> tuple[int, Fields]:
    seen = _Fields()
    parser = httptools.HttpResponseParser(seen)
    try:
        parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        raise malformed("it changes the protocol") from None
    except httptools.HttpParserError as fault:
        raise malformed(f"its head does not parse ({fault})") from fault
    if not seen.whole:
        raise malformed("its head is not one")
    return parser.get_status_code(), named(seen.fields)


def _frame(status: int, headers: Fields, *, modern: bool, bodiless: bool) -> Head:
    lengths: list[bytes] = []
    codings: list[bytes] = []
    options: list[bytes] = []
    if not _SAYS_THE_END.isdisjoint(headers.names):
        lengths = values(headers, b"content-length")
        codings = [value.lower() for value in values(headers, b"transfer-encoding")]
        options = [token.strip() for value in values(headers, b"connection") for token in value.lower().split(b",")]
    _refuse_ambiguity(lengths, codings, modern=modern)
    persists = b"close" not in options and (modern or b"keep-alive" in options)
    if status == 204 and (codings or lengths not in ([], [b"0"])):
        persists = False  # It has no body and speaks of one (RFC 9110, section 15.3.5): what follows may be that.
    if bodiless or status < 200 or status in (204, 304):
        return Head(status, headers, Framing.LENGTH, 0, persists)
    if codings:
        return Head(status, headers, Framing.CHUNKED, None, persists)
    if lengths:
        return Head(status, headers, Framing.LENGTH, int(lengths[0]), persists)
    return Head(status, headers, Framing.CLOSE, None, persists=False)


def _refuse_ambiguity(lengths: list[bytes], codings: list[bytes], *, modern: bool) -> None:
    if codings and (lengths or not modern):
        raise malformed("it has Transfer-Encoding beside Content-Length, or in HTTP/1.0")
    if codings and codings != [b"chunked"]:
        raise malformed("its Transfer-Encoding is not exactly chunked")
    if lengths and (len(lengths) > 1 or not _LENGTH.fullmatch(lengths[0])):
        raise malformed("its Content-Length is repeated or no number of at most 15 digits")
