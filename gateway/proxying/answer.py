"""The hop's answer: ``ports.Answer`` over one reading (laws A1 to A4).

Knows who waits for it and how much may lie unread. Refuses to know pools: an answer that has come whole has already
given its connection back, and one that is not read to its end takes its connection with it.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, Generic, Protocol, TypeVar, cast

from gateway.protocol.headers import Headers
from gateway.proxying.arriving import Arriving
from gateway.proxying.faults import abandoned, stood_still
from gateway.proxying.http1 import Framing, Head

# So much of an answer may lie unread before the upstream has to wait.
UNREAD = 256 * 1024


AnyReading = TypeVar("AnyReading", bound=Arriving)


class Carrier(Protocol):
    """What an answer comes by: a connection, or its own part of one that several calls share."""

    loop: asyncio.AbstractEventLoop

    def resume(self) -> None:
        """Somebody reads: the upstream may go on."""
        ...

    def abandon(self, listener: "HopAnswer[Any]") -> None:
        """``listener`` wants no more of its answer, so what comes of it must reach nobody else."""
        ...

    def fail(self, fault: BaseException) -> None:
        """Ends what carries the answer, and tells whoever waits why."""
        ...


class HopAnswer(Generic[AnyReading]):
    """One answer. ``begin`` must have returned before anything else is asked."""

    __slots__ = ("_connection", "_fault", "_head", "_idle", "_waiter", "reading", "room")

    _head: Head

    def __init__(self, connection: Carrier, reading: AnyReading, idle: float) -> None:
        self.reading = reading
        self.room = UNREAD
        self._connection = connection
        self._idle = idle
        self._waiter: asyncio.Future[None] | None = None
        self._fault: BaseException | None = None

    async def begin(self) -> None:
        """Returns when the head is there; raises ``OutcomeUnknown``, or what the request's own body raised."""
        await self._more()
        if self.reading.head is None and self._fault is not None:
            raise self._fault
        # A fault that came on the heels of the head is told to whoever reads the body, whatever the loop's pace.
        self._head = cast("Head", self.reading.head)

    @property
    def status(self) -> int:
        """The status code, 200 to 599."""
        return self._head.status

    @property
    def headers(self) -> Headers:
        """All fields as they came, hop-by-hop ones included."""
        return self._head.headers

    @property
    def length(self) -> int | None:
        """The body's bytes as declared, 0 where there is none, ``None`` where only the end will tell."""
        return self._head.length

    @property
    def length_unverified(self) -> bool:
        """Whether the end of the connection is the answer's only end."""
        return self._head.framing is Framing.CLOSE

    def at_hand(self) -> bytes | None:
        """The body, where all of it is there."""
        return self.reading.peek() if self.reading.complete else None

    async def whole(self, limit: int) -> bytes | None:
        """The body, or ``None`` where it is longer than ``limit`` bytes."""
        reading = self.reading
        if not reading.complete:
            self.room = limit
            while not reading.complete and max(reading.buffered, self.length or 0) <= limit:
                await self._more()
            self.room = UNREAD
        return reading.peek() if reading.complete and reading.buffered <= limit else None

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """The body as it comes, from its beginning; left early, the answer is closed."""
        reading = self.reading
        try:
            while reading.buffered or not reading.complete:
                if reading.buffered:
                    yield reading.take()
                else:
                    await self._more_in_time()
        finally:
            self.close()

    def close(self) -> None:
        """Ends the answer, and its connection where it was not read to its end."""
        if not self.reading.complete and self._fault is None:
            self._connection.abandon(self)
            self.failed(abandoned())

    def arrived(self) -> None:
        """``Listener``: more is there."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def failed(self, fault: BaseException) -> None:
        """``Listener``: no more will come."""
        self._fault = fault
        self.arrived()

    async def _more(self) -> None:
        if self._fault is not None:
            raise self._fault
        self._connection.resume()
        self._waiter = self._connection.loop.create_future()
        try:
            await self._waiter
        except asyncio.CancelledError:
            self.close()
            raise
        finally:
            self._waiter = None

    async def _more_in_time(self) -> None:
        timer = self._connection.loop.call_later(self._idle, self._stood_still)
        try:
            await self._more()
        finally:
            timer.cancel()

    def _stood_still(self) -> None:
        self._connection.fail(stood_still(self._idle))
