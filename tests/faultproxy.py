"""A TCP proxy that fails as networks fail, on the test's word, for all of its connections, old and new.

Pass, delay, swallow what goes in one direction, drop the reply to what was forwarded, reset, refuse, close after n
bytes. Knows bytes, and counts them. Refuses to know protocols.
"""

import asyncio
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

TIMEOUT = 20.0
PIECE = 64 * 1024


@dataclass(slots=True)
class Direction:
    """What happens to bytes on their way."""

    delay: float = 0.0
    # Taken from the sender and never handed on.
    swallows: bool = False
    # Instead of handing on: both ends are reset, and everything passes again.
    resets: bool = False
    # Pieces that pass before any of this begins.
    after: int = 0
    # Bytes that still pass on a connection before both its ends are closed; ``None``: no end.
    closes_after: int | None = None
    # Whether later connections are closed likewise; else everything passes again.
    again: bool = False


@dataclass(slots=True, eq=False)
class _Link:
    """A client's connection and the server's."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    # Something went up whose reply is to be dropped.
    marked: bool = False

    def reset(self) -> None:
        """Ends both with RST, what was not read yet included (SO_LINGER, socket(7))."""
        for end in (self.client, self.server):
            with suppress(OSError):
                end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            end.transport.abort()


@dataclass
class FaultProxy:
    """Between clients and one server on loopback; ``up`` is towards the server."""

    target: int
    up: Direction = field(default_factory=Direction)
    down: Direction = field(default_factory=Direction)
    # New connections are accepted and at once closed.
    refuses: bool = False
    # When a piece with this in it went up, what comes down next is dropped, and the connection ends.
    drops_reply_to: bytes | None = None
    drops_again: bool = False
    dropped: int = 0
    port: int = 0
    accepted: int = 0
    # Every piece that went up, in order, where it is to be remembered: a long run has too many.
    sent: list[bytes] = field(default_factory=list)
    remembers: bool = True
    _links: set[_Link] = field(default_factory=set)
    _arrived: threading.Condition = field(default_factory=threading.Condition)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)

    def heal(self) -> None:
        """From here on everything passes; what was swallowed is gone."""
        self.up, self.down = Direction(), Direction()
        self.refuses, self.drops_reply_to = False, None

    def cut(self) -> None:
        """The server is gone, for those who are connected and for those who come."""
        self.refuses = True
        self.reset()

    def reset(self) -> None:
        """Resets every connection that is open now."""
        asyncio.run_coroutine_threadsafe(self._reset(), self._loop).result(TIMEOUT)

    def wait_for(self, words: bytes) -> None:
        """Returns when these bytes went up."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: self.count(words) > 0, TIMEOUT)

    def count(self, words: bytes) -> int:
        """How often these bytes went up."""
        return b"".join(self.sent).count(words)

    async def live(self, started: Callable[[], None], stop: asyncio.Event, tls: ssl.SSLContext | None) -> None:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        started()
        await stop.wait()
        server.close()
        await self._reset()

    async def _reset(self) -> None:
        for link in self._links:
            link.reset()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self.refuses:
            writer.transport.abort()
            return
        try:
            from_server, to_server = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        link = _Link(writer, to_server)
        self._links.add(link)
        ways = {asyncio.ensure_future(each) for each in (self._climb(reader, link), self._descend(from_server, link))}
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._links.discard(link)
            for way in ways:
                way.cancel()
            for end in (link.client, link.server):
                end.close()

    async def _climb(self, reader: asyncio.StreamReader, link: _Link) -> None:
        async def pass_on(piece: bytes) -> None:
            words = self.drops_reply_to
            if words is not None and words in piece:
                self.dropped += 1
                link.marked = True
                if not self.drops_again:
                    self.drops_reply_to = None
            link.server.write(piece)
            await link.server.drain()

        def note(piece: bytes) -> None:
            with self._arrived:
                if self.remembers:
                    self.sent.append(piece)
                self._arrived.notify_all()

        await self._carry(reader, pass_on, lambda: self.up, link, note)

    async def _descend(self, reader: asyncio.StreamReader, link: _Link) -> None:
        async def pass_on(piece: bytes) -> None:
            if link.marked:
                raise ConnectionAbortedError
            link.client.write(piece)
            await link.client.drain()

        await self._carry(reader, pass_on, lambda: self.down, link)

    async def _carry(
        self,
        reader: asyncio.StreamReader,
        pass_on: Callable[[bytes], Coroutine[Any, Any, None]],
        way: Callable[[], Direction],
        link: _Link,
        note: Callable[[bytes], None] = lambda _: None,
    ) -> None:
        passed, passed_on = 0, way()
        with suppress(OSError):
            while piece := await reader.read(PIECE):
                note(piece)
                if way().after:
                    way().after -= 1
                    await pass_on(piece)
                    continue
                await asyncio.sleep(way().delay)
                now = way()
                if now is not passed_on:
                    passed, passed_on = 0, now
                if now.swallows:
                    continue
                if now.resets:
                    self.heal()
                    link.reset()
                    return
                left = None if now.closes_after is None else max(0, now.closes_after - passed)
                passed += len(piece)
                await pass_on(piece[:left])
                if left is not None and left <= len(piece):
                    if not now.again:
                        self.heal()
                    return


@contextmanager
def proxying(target: int, tls: ssl.SSLContext | None = None) -> Generator[FaultProxy]:
    """A proxy in front of a port on loopback, in a thread of its own; ``tls``: what its clients have to speak."""
    proxy = FaultProxy(target)
    started, stop = threading.Event(), asyncio.Event()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: proxy._loop) as runner:
            runner.run(proxy.live(started.set, stop, tls))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert started.wait(TIMEOUT)
        yield proxy
    finally:
        proxy._loop.call_soon_threadsafe(stop.set)
        thread.join(TIMEOUT)
