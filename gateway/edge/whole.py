"""A request's body that has come as a whole, taken as one; an answer that is there as a whole, written as one.

Knows uvicorn's cycle of one request and answer, which would take a message for the body and two for the answer, and
match each field against two patterns. What is not plain (the rest of a body is still to come, nobody takes anything
just now, no length, another length than the body's) is left to it.
"""

import re
from collections.abc import Sequence

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from gateway.protocol.headers import Header

# What no field may hold; line ends are counted.
_CONTROL = re.compile(rb"[\0-\x08\x0b\x0c\x0e-\x1f\x7f]")


def take(cycle: RequestResponseCycle) -> bytes | None:
    """The request's body, once; ``None`` where it has to be waited for, or asked for first (``100-continue``)."""
    if cycle.more_body or cycle.disconnected or cycle.waiting_for_100_continue:
        return None
    cycle.flow.resume_reading()
    body, cycle.body = bytes(cycle.body), bytearray()
    return body


def write(cycle: RequestResponseCycle, status: int, fields: Sequence[Header], body: bytes, *, close: bool) -> bytes:
    """What was written, ending the cycle; empty where nothing was. ``close``: its fields end the connection."""
    if cycle.disconnected or cycle.response_started or cycle.flow.write_paused or cycle.scope["method"] == "HEAD":
        return b""
    head = b"\r\n".join([b"%b: %b" % (name.lower(), value) for name, value in fields]) + b"\r\n"
    if not _plain(head, len(fields), len(body)):
        return b""
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    cycle.keep_alive = cycle.keep_alive and not close
    ends = b"" if cycle.keep_alive or close else b"connection: close\r\n"
    data = b"%b%b%b\r\n%b" % (STATUS_LINE[status], head, ends, body)
    cycle.transport.write(data)
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
    return data


def _plain(head: bytes, fields: int, length: int) -> bool:
    """Whether it is as many lines as fields, and one of them says the body's length."""
    said = b"\r\ncontent-length: %d\r\n" % length
    return (
        head.count(b"\n") == head.count(b"\r") == head.count(b"\r\n") == fields
        and (said in head or head.startswith(said[2:]))
        and not _CONTROL.search(head)
    )
