"""One HTTP/2 connection to an upstream: a socket, several calls on it at a time, and whether it can take one more.

Knows that the preface and SETTINGS are no byte of a request, and that a call's HEADERS are: until they are written, a
fault is ``NotSent``. A call that fails here has failed: nothing is sent again, not even what the upstream says that it
did not process. Refuses to know routes and what an answer means.
"""

import asyncio
import select
from collections.abc import Callable
from typing import Protocol, cast

from h2.exceptions import H2Error

from gateway.errors import NotSent, OutcomeUnknown
from gateway.protocol.headers import Header
from gateway.proxying.faults import cut, lost, malformed
from gateway.proxying.http2.hearing import Hearing
from gateway.proxying.http2.stream import Stream, begun
from gateway.proxying.http2.traffic import Traffic

PROTOCOL = "h2"

# A lost connection loses every call on it, so even an upstream that would take more gets no more at once.
MOST_CALLS = 32

# What calls write waits until the upstream reads, so only answers to its own PINGs and SETTINGS can make so much.
_MOST_UNREAD = 1 << 20


class Keeper(Protocol):
    """Where connections go between calls."""

    def freed(self, connection: "Http2Connection") -> None:
        """There is room on it, or it carries nothing any more."""
        ...

    def forget(self, connection: "Http2Connection") -> None:
        """The connection is gone; called once."""
        ...


class Http2Connection(asyncio.Protocol):
    """A socket and the calls that it carries. ``opened`` is set when the upstream has said what it allows.

    ``idle_since``: monotonic, set by the keeper. ``closing``: it ends with the calls that it has.
    """

    _transport: asyncio.Transport

    def __init__(self, keeper: Keeper, origin: str) -> None:
        self.loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = self.loop.create_future()
        self.opened.add_done_callback(_heard)
        self.idle_since = 0.0
        self.closing = False
        self.writable = asyncio.Event()
        self.writable.set()
        self.traffic = Traffic(self)
        self._hearing = Hearing(self.traffic, self)
        self._keeper = keeper
        self._origin = origin
        self._promised = 0
        self._room = 0
        self._dead = False
        self._poll = select.poll()

    # What the pool asks.

    @property
    def carries(self) -> int:
        """How many calls it carries, or is about to."""
        return len(self.traffic.open) + self._promised

    def usable(self) -> bool:
        """Whether one more call may be written; an idle one has nothing in its socket that the loop has not seen."""
        return self._takes_more() and (bool(self.carries) or not self._poll.poll(0))

    def unheard(self) -> bool:
        """Whether it is idle and would be usable, were there not something in its socket; the loop reads that next."""
        return self._takes_more() and not self.carries and bool(self._poll.poll(0))

    def _takes_more(self) -> bool:
        if self._dead or self.closing or self._transport.is_closing() or not self.writable.is_set():
            return False
        return self.carries < self._room

    def promise(self) -> None:
        """Keeps a place for a call that is about to be written: ``start`` or ``release`` follows."""
        self._promised += 1

    def release(self) -> None:
        """The place that was kept is free."""
        self._promised -= 1
        self.freed()

    def retire(self) -> None:
        """Takes no more calls, and ends with those that it has."""
        self.closing = True
        if not self.carries:
            self.drop()

    def drop(self) -> None:
        """Ends the connection at once; harmless when it is gone."""
        if self._dead:
            return
        self._dead = self.closing = True
        self._keeper.forget(self)
        if not self.opened.done():
            self.opened.set_exception(self._not_there("does not speak HTTP/2 there, or hung up before it did"))
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
            self.closing = True
            self.release()
            raise self._not_there(f"can carry no more calls ({type(fault).__name__}); try again") from fault
        self._promised -= 1
        self.traffic.start(stream, body, on_dispatch)

    # What its traffic asks.

    def write(self, data: bytes) -> None:
        """``Wire``: to the socket; one that is gone takes everything."""
        if not self._transport.is_closing():
            self._transport.write(data)

    def freed(self) -> None:
        """``Wire``: a call has ended, or a place is free."""
        if self._dead:
            return
        if self.closing and not self.carries:
            self.drop()
        else:
            self._keeper.freed(self)

    # What the loop tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """``asyncio``: connected, TLS included. Over TLS both sides have to have agreed on HTTP/2."""
        self._transport = cast("asyncio.Transport", transport)
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        secure = transport.get_extra_info("ssl_object")
        if self._dead:
            self._transport.abort()
        elif secure is not None and secure.selected_alpn_protocol() != PROTOCOL:
            self.opened.set_exception(self._not_there('has not agreed on HTTP/2; write upstream.http: "1.1"'))
            self.drop()
        else:
            self.traffic.flush()

    def data_received(self, data: bytes) -> None:
        """``asyncio``: frames, in any slices."""
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
        self._fail(lambda stream: cut(begun=begun(stream)))

    def connection_lost(self, exc: Exception | None) -> None:
        """``asyncio``: gone."""
        self.writable.set()
        self._fail(lambda stream: cut(begun=begun(stream)) if exc is None else lost(exc))

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
        self._room = min(calls, MOST_CALLS)
        if not self.opened.done():
            self.opened.set_result(None)
        self.freed()

    def leaves(self) -> None:
        """``Hearer``: the upstream goes away when it has answered."""
        self.closing = True
        self.freed()

    def _not_there(self, why: str) -> NotSent:
        return NotSent("http2", f"Nothing was sent: {self._origin} took the connection, but {why}.")


def _heard(opened: asyncio.Future[None]) -> None:
    """Whoever waited for it hears why it did not open; perhaps nobody waits any more."""
    if not opened.cancelled():
        opened.exception()
