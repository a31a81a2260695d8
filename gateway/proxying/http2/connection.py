"""One HTTP/2 connection to an upstream: a socket that several calls share, and what becomes of them when it goes.

Knows that a call has left with its HEADERS: until they are written, a fault is ``NotSent``. A call that fails here has
failed: nothing is sent again, not even what the upstream says that it did not process. Refuses to know routes and what
an answer means.
"""

import asyncio
import select
from collections.abc import Callable
from typing import Protocol, cast

from h2.exceptions import H2Error

from gateway.errors import OutcomeUnknown
from gateway.protocol.headers import Header
from gateway.proxying.faults import cut, lost, malformed
from gateway.proxying.http2.hearing import Hearing
from gateway.proxying.http2.opening import Opening
from gateway.proxying.http2.places import MOST_CALLS, Places
from gateway.proxying.http2.stream import Stream
from gateway.proxying.http2.traffic import Traffic

# What calls write waits until the upstream reads, so only answers to its own PINGs and SETTINGS can make so much.
_MOST_UNREAD = 1 << 20


class Keeper(Protocol):
    """Where connections go between calls."""

    def freed(self, connection: "Http2Connection") -> None:
        """There is room on it, or it carries nothing any more."""
        ...

    def heard(self, connection: "Http2Connection") -> None:
        """The upstream has said something on it."""
        ...

    def forget(self, connection: "Http2Connection") -> None:
        """The connection is gone; called once."""
        ...


class Http2Connection(asyncio.Protocol):
    """A socket and the calls that it carries. ``idle_since``, ``heard_at``: monotonic, set by the keeper."""

    _transport: asyncio.Transport

    def __init__(self, keeper: Keeper, origin: str) -> None:
        self.loop = asyncio.get_running_loop()
        self.opening = Opening(self.loop, origin)
        self.idle_since = self.heard_at = 0.0
        self.writable = asyncio.Event()
        self.writable.set()
        self.traffic = Traffic(self)
        self.places = Places(self.traffic.open)
        self._hearing = Hearing(self.traffic, self)
        self._keeper = keeper
        self._asked = False
        self._dead = False
        self._poll = select.poll()

    # What the pool asks.

    def usable(self, *, busy_unheard: bool = False) -> bool:
        """Whether one more call may be written: there is nothing in its socket that the loop has not seen, which may be
        a farewell. ``busy_unheard``: or it carries calls, whose answers may never cease to come."""
        return self._takes_more() and (bool(busy_unheard and self.places.taken) or not self._poll.poll(0))

    def unheard(self) -> bool:
        """Whether it would be usable, were there not something in its socket; the loop reads that next."""
        return self._takes_more() and bool(self._poll.poll(0))

    def _takes_more(self) -> bool:
        return self.places.free and self.writable.is_set() and not self._dead and not self._transport.is_closing()

    def ask(self) -> None:
        """Asks for a sign of life, once until there is one."""
        if not self._asked and self._takes_more():
            self._asked = True
            self.traffic.ping()

    def retire(self) -> None:
        """Takes no more calls, and ends with those that it has."""
        self.places.closing = True
        if not self.places.taken and not self._dead:
            self.traffic.leave()
            self.drop()

    def drop(self) -> None:
        """Ends the connection at once; harmless when it is gone."""
        if self._dead:
            return
        self._dead = self.places.closing = True
        self._keeper.forget(self)
        self.opening.end()
        if hasattr(self, "_transport"):
            self._transport.abort()

    # What a call asks.

    def start(
        self, stream: Stream, fields: list[Header], body: bytes | None, on_dispatch: Callable[[], None] | None
    ) -> None:
        """Writes a call in the place that was kept for it, as ``Traffic.start`` does. Raises ``NotSent`` where this
        connection can carry no more calls."""
        try:
            self.traffic.admit(stream, fields, last=body == b"")
        except H2Error as fault:
            self.places.closing = True
            self.release()
            raise self.opening.exhausted(type(fault).__name__) from fault
        self.places.fulfil()
        self.traffic.start(stream, body, on_dispatch)

    def release(self) -> None:
        """The place that was kept for a call is free."""
        self.places.fulfil()
        self.freed()

    # What its traffic asks.

    def write(self, data: bytes) -> None:
        """``Wire``: to the socket; one that is gone takes everything."""
        if not self._transport.is_closing():
            self._transport.write(data)

    def freed(self) -> None:
        """``Wire``: a call has ended, or a place is free."""
        if self._dead:
            return
        if self.places.closing:
            self.retire()
        else:
            self._keeper.freed(self)

    # What the loop tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """``asyncio``: connected, TLS included."""
        self._transport = cast("asyncio.Transport", transport)
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        if self._dead:
            self._transport.abort()
        elif self.opening.agree(transport):
            self.traffic.flush()
        else:
            self.drop()

    def data_received(self, data: bytes) -> None:
        """``asyncio``: frames, in any slices."""
        self._asked = False
        self._keeper.heard(self)
        try:
            self._hearing.hear(data)
        except OutcomeUnknown as fault:
            told = fault
            self._fail(lambda _: OutcomeUnknown(told.reason, str(told)))
        except H2Error as fault:
            why = f"its frames break the rules of HTTP/2 ({type(fault).__name__})"
            self.traffic.flush()
            self._fail(lambda _: malformed(why))
        else:
            if not self.writable.is_set() and self._transport.get_write_buffer_size() > _MOST_UNREAD:
                self._fail(lambda _: malformed("it has more frames answered than it reads"))

    def eof_received(self) -> None:
        """``asyncio``: the upstream sends no more."""
        self._fail(lambda stream: cut(begun=stream.begun))

    def connection_lost(self, exc: Exception | None) -> None:
        """``asyncio``: gone."""
        self.writable.set()
        self._fail(lambda stream: cut(begun=stream.begun) if exc is None else lost(exc))

    def pause_writing(self) -> None:
        """``asyncio``: the upstream takes no more for now."""
        self.writable.clear()

    def resume_writing(self) -> None:
        """``asyncio``: it takes more."""
        self.writable.set()
        self.freed()

    def _fail(self, fault: Callable[[Stream], OutcomeUnknown]) -> None:
        self.drop()
        self.traffic.lose(fault)

    # What it hears of itself.

    def allows(self, calls: int) -> None:
        """``Hearer``: how many at once."""
        self.places.allowed = min(calls, MOST_CALLS)
        self.opening.succeed()
        self.freed()

    def leaves(self) -> None:
        """``Hearer``: the upstream goes away when it has answered."""
        self.places.closing = True
        self.freed()
