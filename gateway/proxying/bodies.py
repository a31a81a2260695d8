"""Request bodies on their way out: in one write with the head where they are small, piece by piece where not.

Knows that a body must be as long as the head says, that an empty chunk would end a stream, and that a body which fails
half-way must never look finished. Refuses to know answers: whoever holds the connection stops the writing.
"""

from collections.abc import AsyncIterator, Iterable
from typing import NamedTuple

from gateway.ports import Outgoing
from gateway.proxying.connection import Connection
from gateway.proxying.faults import invalid_request, wrong_length
from gateway.proxying.http1 import framing_line, write_head

# Up to this size head and body go in one write: one system call, one segment where it fits.
SMALL = 64 * 1024


class Message(NamedTuple):
    """A request ready to be written: ``first`` in one go, then ``rest``, chunked where ``length`` is ``None``."""

    first: bytes
    rest: Iterable[bytes] | AsyncIterator[bytes] | None
    length: int | None


class Address(NamedTuple):
    """What every request of a route has in common: its ``Host``; what stands before its target, which is the origin
    where a proxy forwards it (RFC 9112, section 3.2.2); and lines for this connection alone."""

    authority: bytes
    before: bytes = b""
    lines: bytes = b""


def compose(request: Outgoing, address: Address) -> Message:
    """The message of a request.

    Raises ``NotSent`` where the request must not be written.
    """
    body, length = (b"", None) if request.body is None else measured(request.body, request.length)
    framing = framing_line(request.method, length, streamed=request.body is not None)
    authority, before, lines = address
    head = write_head(request.method, before + request.target, authority, request.headers, framing + lines)
    return Message(head + body, None, length) if isinstance(body, bytes) else Message(head, body, length)


def measured(
    body: Iterable[bytes] | AsyncIterator[bytes], length: int | None
) -> tuple[bytes | Iterable[bytes] | AsyncIterator[bytes], int | None]:
    """A body in one piece where it is small and whole, else as it is; and its length where that is known."""
    if not isinstance(body, tuple | list) and isinstance(body, AsyncIterator):
        return body, length
    if length is None:
        body = tuple(body)
        length = sum(map(len, body))
    if length > SMALL:
        return body, length
    content = b"".join(body)
    if len(content) != length:
        raise invalid_request("its body is not as long as it was declared")
    return content, length


async def write_rest(connection: Connection, message: Message) -> None:
    """Writes ``message.rest`` as fast as the upstream takes it. A fault of the body itself passes as it is."""
    left = message.length
    if isinstance(message.rest, AsyncIterator):
        async for piece in message.rest:
            left = await _write_piece(connection, piece, left)
    else:
        for piece in message.rest or ():
            left = await _write_piece(connection, piece, left)
    if left:
        raise wrong_length()
    if left is None:
        connection.write(b"0\r\n\r\n")


async def _write_piece(connection: Connection, piece: bytes, left: int | None) -> int | None:
    if not piece:
        return left
    if left is None:
        piece = b"%x\r\n%b\r\n" % (len(piece), piece)
    else:
        left -= len(piece)
        if left < 0:
            raise wrong_length()
    blocked = connection.write(piece)
    if blocked is not None:
        await blocked
    return left
