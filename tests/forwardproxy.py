"""A forward proxy on loopback: CONNECT for tunnels, absolute targets for plain HTTP; it keeps what it was asked.

In a thread of its own. It is plain on purpose: it forwards one request a connection and then only carries bytes, so
that whatever an upstream does arrives as it was done, a reset as a reset.
"""

import asyncio
import socket
import ssl
import struct
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.aside import aside


@dataclass
class ForwardProxy:
    """``asked`` are heads as they arrived; ``refuses``: a status that it answers instead of going anywhere."""

    port: int = 0
    asked: list[bytes] = field(default_factory=list)
    refuses: int = 0
    authorization: bytes = b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # One of the two hung up, for the test to judge; or the test is over.
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(head)
        method, target, _ = head.split(b"\r\n")[0].split(b" ")
        status = self.refuses or self._judged(head)
        if status:
            writer.write(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status)
            await writer.drain()
            return
        place = target if method == b"CONNECT" else target.removeprefix(b"http://").partition(b"/")[0]
        host, _, port = place.decode().rpartition(":")
        inner_reader, inner_writer = await asyncio.open_connection(host.strip("[]"), int(port))
        if method == b"CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            inner_writer.write(_as_origin(head, place))
        carried = (_carry(reader, inner_writer), _carry(inner_reader, writer))
        try:
            await asyncio.gather(*carried)
        except asyncio.CancelledError:
            inner_writer.transport.abort()
            raise
        finally:
            inner_writer.close()

    def _judged(self, head: bytes) -> int:
        known = b"proxy-authorization: " + self.authorization.lower()
        return 0 if not self.authorization or known in head.lower() else 407


def _as_origin(head: bytes, place: bytes) -> bytes:
    """What goes on to the upstream: a path for a target, and nothing that was for the proxy."""
    lines = head.replace(b"http://" + place, b"", 1).split(b"\r\n")
    return b"\r\n".join(line for line in lines if not line.lower().startswith(b"proxy-"))


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
        else:
            writer.close()
    except OSError:
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()


@contextmanager
def forwarding(context: ssl.SSLContext | None = None) -> Generator[ForwardProxy]:
    """A proxy, over TLS where ``context`` is given."""
    proxy = ForwardProxy()
    with aside(proxy.serve, context=context) as proxy.port:
        yield proxy
