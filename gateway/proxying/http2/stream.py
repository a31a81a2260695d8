"""One call on a connection that several share: its request on the way out, its answer as it comes.

Knows what of an answer may lie unread, and that a body which fails half-way must never look finished. Refuses to know
frames: the connection writes and reads them.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable
from typing import Any, Protocol, TypeAlias

from gateway.errors import OutcomeUnknown
from gateway.protocol.headers import Header
from gateway.proxying.answer import HopAnswer
from gateway.proxying.arriving import Arriving
from gateway.proxying.faults import cut, malformed, request_cut, wrong_length
from gateway.proxying.http2.fields import read_head

MAX_INFORMATIONAL = 16

Answer: TypeAlias = HopAnswer[Arriving]


class Line(Protocol):
    """The connection, as its streams know it."""

    loop: asyncio.AbstractEventLoop

    async def send(self, stream: "Stream", piece: bytes) -> None:
        """Writes ``piece`` as the upstream lets it in."""
        ...

    def finish(self, stream: "Stream") -> None:
        """Says that the request is whole."""
        ...

    def open_window(self, stream: "Stream") -> None:
        """Lets the upstream send as much more as was taken, where that is worth a frame."""
        ...

    def give_up(self, stream: "Stream") -> None:
        """Ends the stream before its end; the connection goes on for the others."""
        ...


class Stream:
    """The carrier of one answer (``answer.Carrier``). ``held``: bytes for which the upstream was given no new room."""

    def __init__(self, line: Line, method: str, idle: float, *, believes: bool) -> None:
        self.loop = line.loop
        self.id = 0
        self.held = 0
        self.sent = False
        self.over = False
        self.reading = Arriving()
        self.answer: Answer = HopAnswer(self, self.reading, idle)
        self.bodiless = method == "HEAD"
        self._line = line
        self._believes = believes
        self._left: int | None = None
        self._informational = 0
        self._writer: asyncio.Task[None] | None = None
        self._window: asyncio.Future[None] | None = None

    @property
    def begun(self) -> bool:
        """Whether any of the answer has come."""
        return self.reading.head is not None or self._informational > 0

    @property
    def believes(self) -> bool:
        """Whether an upstream that says now that it processed nothing of it is believed."""
        return self._believes and not self.begun

    @property
    def has_room(self) -> bool:
        """Whether the upstream may send as much again as has come."""
        return bool(self.held) and self.reading.buffered <= self.answer.room

    # What the answer asks.

    def resume(self) -> None:
        """``Carrier``: somebody reads."""
        self._line.open_window(self)

    def abandon(self, listener: Answer) -> None:
        """``Carrier``: nobody wants the rest of it."""
        if listener is self.answer:
            self._line.give_up(self)

    def fail(self, fault: BaseException) -> None:
        """``Carrier``: ends the stream and tells whoever waits why."""
        if not self.over:
            self._line.give_up(self)
            self.answer.failed(fault)

    # What the connection tells.

    def inform(self, fields: list[Header]) -> None:
        """An informational answer came, which is skipped."""
        self._informational += 1
        if (b":status", b"101") in fields:
            self.fail(malformed("it changes the protocol, which HTTP/2 cannot"))
        elif self._informational > MAX_INFORMATIONAL:
            self.fail(malformed(f"more than {MAX_INFORMATIONAL} informational answers came before it"))

    def begin(self, fields: Iterable[Header]) -> None:
        """The head came; one that cannot be read in one way ends the stream."""
        try:
            head = read_head(fields, bodiless=self.bodiless)
        except OutcomeUnknown as fault:
            self.fail(fault)
            return
        self.bodiless = self.bodiless or head.status in (204, 304)
        self._left = head.length
        self.reading.head = head
        if not self.bodiless:  # Else it is complete, and heard of, when its stream ends.
            self.answer.arrived()

    def take(self, piece: bytes, size: int) -> None:
        """A piece of the body came; ``size`` with its padding."""
        if piece and self.bodiless:
            self.fail(malformed("it has a body where none may be"))
            return
        self.held += size
        if piece:
            self._left = None if self._left is None else self._left - len(piece)
            self.reading.add(piece)
            self.answer.arrived()

    def is_whole(self) -> bool:
        """Whether the answer, of which no more will come, is as long as its head said; h2 looks at its DATA alone, and
        an end of stream may come with the head or with trailers. Ends the stream where it is not."""
        if self.reading.head is not None and not self._left:
            return True
        self.fail(cut(begun=self.begun))
        return False

    def end(self) -> None:
        """No more will be read or written here; an answer that is not complete has failed by now."""
        self.over = True
        if self._writer is not None:
            writer, self._writer = self._writer, None
            writer.cancel()

    # The request's body.

    def follow(self, body: Iterable[bytes] | AsyncIterator[bytes], length: int | None) -> None:
        """Writes the body beside the reading, so that an early answer can end it."""
        self._begin_writing(self._write(body, length))

    def _begin_writing(self, writing: Coroutine[Any, Any, None]) -> None:
        self._writer = self.loop.create_task(writing)
        self._writer.add_done_callback(self._written)

    async def _write(self, body: Iterable[bytes] | AsyncIterator[bytes], length: int | None) -> None:
        left = length
        if isinstance(body, AsyncIterator):
            async for piece in body:
                left = await self._write_piece(piece, left)
        else:
            for piece in body:
                left = await self._write_piece(piece, left)
        if left:
            raise wrong_length()
        self._line.finish(self)

    async def _write_piece(self, piece: bytes, left: int | None) -> int | None:
        if left is not None:
            left -= len(piece)
            if left < 0:
                raise wrong_length()
        await self._line.send(self, piece)
        return left

    async def window(self) -> None:
        """Returns when the upstream may take more of the body."""
        self._window = self.loop.create_future()
        await self._window

    def window_opened(self) -> None:
        """The upstream may take more of the body."""
        if self._window is not None and not self._window.done():
            self._window.set_result(None)

    def _written(self, writer: asyncio.Task[None]) -> None:
        fault: BaseException | None = None if writer.cancelled() else writer.exception()
        if writer is not self._writer:
            return
        self._writer = None
        if writer.cancelled():
            fault = request_cut()
        if fault is not None:
            self.fail(fault)
