"""One connection to the upstream: bytes out, bytes in, at most one call on it at a time.

Knows when the first byte of a request was handed to the socket, and that a byte nobody asked for ends the connection.
Refuses to know routes, retries and what an answer means. A call that fails here has failed: nothing is sent again.
"""

import asyncio
import select
from collections.abc import Coroutine
from typing import Any, Protocol, cast

from gateway.errors import OutcomeUnknown
from gateway.proxying.faults import cut, lost, request_cut
from gateway.proxying.reading import Reading


class Listener(Protocol):
    """Who waits for the answer. ``room``: how many bytes of it may lie unread before the upstream has to wait."""

    reading: Reading
    room: int

    def arrived(self) -> None:
        """More of the answer is there, its head at least."""
        ...

    def failed(self, fault: BaseException) -> None:
        """There will be no more of the answer."""
        ...


class Keeper(Protocol):
    """Where connections go between calls."""

    def recycle(self, connection: "Connection") -> None:
        """The connection has carried a whole call and can carry another."""
        ...

    def forget(self, connection: "Connection") -> None:
        """The connection is gone; called once."""
        ...


class Connection(asyncio.Protocol):
    """A socket and the call that it carries. ``idle_since``: monotonic, set by the keeper."""

    __slots__ = (
        "_blocked",
        "_dead",
        "_keeper",
        "_listener",
        "_paused",
        "_poll",
        "_spoiled",
        "_transport",
        "_unheard",
        "_writer",
        "idle_since",
        "loop",
    )

    _transport: asyncio.Transport

    def __init__(self, keeper: Keeper) -> None:
        self.loop = asyncio.get_running_loop()
        self.idle_since = 0.0
        self._keeper = keeper
        self._listener: Listener | None = None
        self._poll: select.poll | None = None
        self._writer: asyncio.Task[None] | None = None
        self._blocked: asyncio.Future[None] | None = None
        self._dead = False
        self._paused = False
        self._spoiled = False
        self._unheard = False

    # What the hop asks.

    def usable(self) -> bool:
        """Whether a request may be written: open, silent, and nothing in the socket that the loop has not seen."""
        if self._dead or self._transport.is_closing():
            return False
        # A fresh TLS connection has session tickets in its socket, which say nothing about the peer's health.
        return self._unheard or self._poll is None or not self._poll.poll(0)

    def start(self, listener: Listener, data: bytes) -> None:
        """The first byte of a request, and as many as there are: from here on nobody knows what the upstream saw."""
        self._listener = listener
        self._unheard = False
        self._transport.write(data)

    def write(self, data: bytes) -> asyncio.Future[None] | None:
        """More bytes; what to wait for before the next ones, if anything. A connection that is gone takes them all."""
        if not self._dead:
            self._transport.write(data)
        return self._blocked

    def follow(self, writing: Coroutine[Any, Any, None]) -> None:
        """Writes the rest of a request beside the reading, so that an early answer can end it."""
        self._writer = self.loop.create_task(writing)
        self._writer.add_done_callback(self._written)

    def resume(self) -> None:
        """Somebody reads: the upstream may go on."""
        if self._paused and not self._dead:
            self._paused = False
            self._transport.resume_reading()

    def abandon(self, listener: Listener) -> None:
        """``listener`` wants no more of its answer, so what comes of it must reach nobody else."""
        if self._listener is listener:
            self.drop()

    def fail(self, fault: BaseException) -> None:
        """Ends the connection and tells whoever waits why."""
        listener, self._listener = self._listener, None
        self.drop()
        if listener is not None:
            listener.failed(fault)

    def drop(self) -> None:
        """Ends the connection at once; harmless when it is gone."""
        self._listener = None
        self._stop_writing()
        if not self._dead:
            self._dead = True
            self._keeper.forget(self)
            if self._poll is not None:
                self._transport.abort()

    # What the loop tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """``asyncio``: connected, TLS included."""
        self._transport = cast("asyncio.Transport", transport)
        self._unheard = transport.get_extra_info("ssl_object") is not None
        self._poll = select.poll()
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        if self._dead:  # Through a tunnel it may be heard of, and given up, before it is told that it is there.
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """``asyncio``: bytes of the answer, or bytes that nobody asked for (law U4)."""
        listener = self._listener
        if listener is None:
            self.drop()
            return
        reading = listener.reading
        try:
            reading.feed(data)
        except OutcomeUnknown as fault:
            self.fail(fault)
            return
        if reading.head is None:
            return
        self._stop_writing()
        if reading.complete:
            self._finish(reading)
        elif reading.buffered > listener.room and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        listener.arrived()

    def eof_received(self) -> None:
        """``asyncio``: the upstream sends no more."""
        listener = self._listener
        if listener is None:
            self.drop()
            return
        try:
            listener.reading.end()
        except OutcomeUnknown as fault:
            self.fail(fault)
            return
        self.drop()
        listener.arrived()

    def connection_lost(self, exc: Exception | None) -> None:
        """``asyncio``: gone."""
        if self._blocked is not None and not self._blocked.done():
            self._blocked.set_result(None)
        if self._listener is None:
            self.drop()
        else:
            # An end without an end of file is a TLS connection cut without its farewell: no end of an answer either.
            self.fail(cut(begun=self._listener.reading.begun) if exc is None else lost(exc))

    def pause_writing(self) -> None:
        """``asyncio``: the upstream takes no more for now."""
        self._blocked = self.loop.create_future()

    def resume_writing(self) -> None:
        """``asyncio``: it takes more."""
        if self._blocked is not None and not self._blocked.done():
            self._blocked.set_result(None)
        self._blocked = None

    # The end of a call.

    def _finish(self, reading: Reading) -> None:
        self._listener = None
        head = reading.head
        whole = not self._spoiled and not reading.excess and not self._transport.get_write_buffer_size()
        if whole and head is not None and head.persists and not self._transport.is_closing():
            self.resume()
            self._keeper.recycle(self)
        else:
            self.drop()

    def _stop_writing(self) -> None:
        if self._writer is not None:
            writer, self._writer = self._writer, None
            self._spoiled = True
            writer.cancel()

    def _written(self, writer: asyncio.Task[None]) -> None:
        fault = None if writer.cancelled() else writer.exception()
        if writer is not self._writer:
            return
        self._writer = None
        if writer.cancelled():
            fault = request_cut()
        if fault is not None:
            self.fail(fault)
