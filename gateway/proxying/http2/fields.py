"""The grammar of HTTP/2 at the hop: the fields that a request becomes, and those of an answer's head (RFC 9113).

Knows which fields have no place in HTTP/2, and accepts an answer's head only where it can be read in one way. Refuses
to know frames, connections and time. h2 checks nothing of this here: it would end a connection for what one answer
says.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

from hpack import NeverIndexedHeaderTuple

from gateway.ports import Outgoing
from gateway.protocol.headers import Fields, Header
from gateway.proxying.faults import invalid_request, malformed
from gateway.proxying.http1 import ASKS_FOR_BODY, MAX_FIELDS, Framing, Head, judge_name, write_method

# RFC 9113, section 8.2.2: they would make a message malformed. TE could only ask for trailers, which are dropped.
_OF_A_CONNECTION = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"te", b"transfer-encoding", b"upgrade"}
)
# What is indexed stays in a table of the connection, which calls of all callers share, and sizes on the wire tell who
# has guessed it (RFC 7541, section 7.1): so nothing is that could be a caller's own.
_INDEXED = frozenset({b"accept", b"accept-encoding", b"accept-language", b"content-type", b"user-agent"})
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_VALUE = re.compile(rb"(?:[!-~\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[!-~\x80-\xff])?)?")
_TARGET = re.compile(rb"[^\x00-\x20\x7f]+")
_STATUS = re.compile(rb"[2-5][0-9][0-9]")
_LENGTH = re.compile(rb"[0-9]{1,15}")


def write_fields(request: Outgoing, scheme: bytes, authority: bytes, length: int | None) -> list[Header]:
    """A request's head. ``length`` is declared where it is known, also of nothing where a method asks for a body.

    Raises ``NotSent`` where a part would say more than it should: a line end, a second length, another authority.
    """
    if not _TARGET.fullmatch(request.target):
        raise invalid_request("its target is empty, or has a space or a control byte")
    fields = [
        (b":method", write_method(request.method)),
        (b":scheme", scheme),
        (b":authority", authority),
        NeverIndexedHeaderTuple(b":path", request.target),
    ]
    for name, value in request.headers:
        lowered = _lowered(name)
        if b"\r" in value or b"\n" in value or b"\0" in value:
            raise invalid_request("a header field has a line end or a NUL in it")
        if lowered in _INDEXED:
            fields.append((lowered, value.strip(b" \t")))
        elif lowered not in _OF_A_CONNECTION:
            fields.append(NeverIndexedHeaderTuple(lowered, value.strip(b" \t")))
    if length is None and request.body is None and request.method in ASKS_FOR_BODY:
        length = 0
    if length is not None:
        fields.append(NeverIndexedHeaderTuple(b"content-length", b"%d" % length))
    return fields


@lru_cache(maxsize=512)
def _lowered(name: bytes) -> bytes:
    judge_name(name)
    return name.lower()


def read_head(fields: Iterable[Header], *, bodiless: bool) -> Head:
    """The head of a final answer; ``bodiless``: the request was a HEAD. Raises ``OutcomeUnknown`` for a bad one."""
    (pseudo, status), *rest = [(bytes(name), bytes(value)) for name, value in fields] or [(b"", b"")]
    if pseudo != b":status" or not _STATUS.fullmatch(status):
        raise malformed("its head does not begin with a status from 200 to 599")
    if len(rest) > MAX_FIELDS:
        raise malformed(f"it has more than {MAX_FIELDS} header fields")
    lengths = []
    for name, value in rest:
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise malformed("its head has a field that is none in HTTP/2")
        if name in _OF_A_CONNECTION:
            raise malformed(f"its head has a {name.decode('ascii')}, which HTTP/2 does not have")
        if name == b"content-length":
            lengths.append(value)
    if len(lengths) > 1 or not all(_LENGTH.fullmatch(value) for value in lengths):
        raise malformed("its content-length is repeated or no number of at most 15 digits")
    code = int(status)
    length = 0 if bodiless or code in (204, 304) else int(lengths[0]) if lengths else None
    return Head(code, Fields.beside([name for name, _ in rest], rest), Framing.LENGTH, length, persists=True)
