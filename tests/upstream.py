"""An upstream that behaves, and misbehaves on order: it logs every request before it answers.

Raw bytes over asyncio, in a thread of its own, so that a gateway under test cannot slow it. A plan tells, for each
request in turn, what follows; without one it answers 201 with the number of the request.
"""

import asyncio
import hashlib
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.aside import aside


@dataclass(frozen=True, slots=True)
class Logged:
    """One request as it arrived: request line, fields with lower-case names, digest of the body, the body itself."""

    line: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def key(self) -> str:
        return dict(self.headers).get("idempotency-key", "")

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.body).hexdigest()

    def all(self, name: str) -> list[str]:
        return [value for field, value in self.headers if field == name]


@dataclass(frozen=True, slots=True)
class Play:
    """What follows a request: wait for ``gate``, send ``data`` (in ``pieces`` if more), then close, reset, keep, or
    hang until the gateway gives up, which sets ``left``.

    A whole answer after which the connection is closed says so, as servers do: else the next call might be on its way
    on that connection when it closes, and its outcome would rightly be unknown."""

    data: bytes = b""
    then: str = "close"
    gate: threading.Event | None = None
    pieces: tuple[bytes, ...] = ()


def answer(status: int = 201, body: bytes = b'{"id":1}', *fields: tuple[str, str], length: bool = True) -> bytes:
    """An answer with a length, or one that ends with the connection."""
    lines = [f"HTTP/1.1 {status} Told", *(f"{name}: {value}" for name, value in fields)]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def chunked(status: int, *pieces: bytes, fields: tuple[tuple[str, str], ...] = ()) -> bytes:
    """A chunked answer, a chunk a piece."""
    lines = [f"HTTP/1.1 {status} Told", *(f"{name}: {value}" for name, value in fields), "Transfer-Encoding: chunked"]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (*pieces, b""))
    return "\r\n".join([*lines, "", ""]).encode() + chunks


@dataclass
class Upstream:
    """The server and its log. ``plan`` is taken from in turn; ``by_key`` overrides it; ``otherwise`` is the rest."""

    log: list[Logged] = field(default_factory=list)
    plan: deque[Play] = field(default_factory=deque)
    by_key: Callable[[Logged, int], Play] | None = None
    port: int = 0
    arrived: threading.Condition = field(default_factory=threading.Condition)
    left: threading.Event = field(default_factory=threading.Event)
    settings: dict[str, object] = field(default_factory=dict)
    """What a route to it says beside or instead of its URL."""

    def count(self, key: str) -> int:
        """How often a request with this key arrived whole."""
        return sum(logged.key == key for logged in self.log)

    def then(self, *plays: Play) -> None:
        """What follows the next requests."""
        self.plan.extend(plays)

    def wait_for(self, requests: int) -> None:
        """Returns when that many requests have arrived in all."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.log) >= requests, timeout=20), "the upstream was not called"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (logged := await _read(reader)) is not None:
                with self.arrived:
                    self.log.append(logged)
                    number = len(self.log)
                    self.arrived.notify_all()
                if not await self._follow(self._play(logged, number), reader, writer):
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # The gateway hung up; what arrived whole is in the log.
        finally:
            writer.close()

    def _play(self, logged: Logged, number: int) -> Play:
        if self.plan:
            return self.plan.popleft()
        if self.by_key is not None:
            return self.by_key(logged, number)
        return Play(answer(body=b'{"id":%d}' % number), then="keep")

    async def _follow(self, play: Play, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if play.gate is not None:
            await asyncio.to_thread(play.gate.wait, 20)
        for piece in (_closing(play.data) if play.then == "close" else play.data, *play.pieces):
            writer.write(piece)
            await writer.drain()
        if play.then == "hang":
            await reader.read()
            self.left.set()
        if play.then == "reset":
            connection = writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return play.then == "keep"


def _closing(data: bytes) -> bytes:
    """``data`` with the word that the connection ends after it, where its last head is an answer's and whole."""
    begin = max(data.rfind(b"HTTP/1.1 "), 0)
    line, end, rest = data[begin:].partition(b"\r\n")
    if not line.startswith(b"HTTP/1.1 ") or line[9:10] == b"1" or b"\r\n\r\n" not in end + rest:
        return data
    return data[:begin] + line + b"\r\nConnection: close" + end + rest


async def _read(reader: asyncio.StreamReader) -> Logged | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    line, *rest = head[:-4].split("\r\n")
    headers = tuple((name.lower(), value.strip()) for name, _, value in (field.partition(":") for field in rest))
    fields = dict(headers)
    if fields.get("transfer-encoding") == "chunked":
        return Logged(line, headers, await _read_chunks(reader))
    return Logged(line, headers, await reader.readexactly(int(fields.get("content-length", "0"))))


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    pieces = []
    while size := int(await reader.readline(), 16):
        pieces.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readexactly(2)
    return b"".join(pieces)


@contextmanager
def running_upstream(
    port: int = 0, kind: type[Upstream] = Upstream, context: ssl.SSLContext | None = None
) -> Generator[Upstream]:
    """An upstream on loopback, in a thread; over TLS where ``context`` is given."""
    upstream = kind()
    with aside(upstream.serve, port, context) as upstream.port:
        yield upstream
