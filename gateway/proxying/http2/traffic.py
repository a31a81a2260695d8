"""The calls on one connection, on their way out: whose stream is whose, what of them was written.

Knows the point of no return, the line in ``start`` that writes a call's HEADERS. Refuses to know sockets, and what the
upstream says: ``hearing`` tells the streams that are here.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError

from gateway.errors import OutcomeUnknown
from gateway.protocol.headers import Header
from gateway.proxying.answer import UNREAD
from gateway.proxying.http2.engine import engine
from gateway.proxying.http2.frames import LARGEST
from gateway.proxying.http2.stream import Stream


class Wire(Protocol):
    """The connection, as its traffic knows it. ``writable`` is clear while the upstream takes no more."""

    loop: asyncio.AbstractEventLoop
    writable: asyncio.Event

    def write(self, data: bytes) -> None:
        """To the socket; one that is gone takes everything."""
        ...

    def freed(self) -> None:
        """A call has ended."""
        ...


class Traffic:
    """The streams of a connection (``stream.Line``). ``open``: by number, those that have not ended."""

    def __init__(self, wire: Wire) -> None:
        self.loop = wire.loop
        self.engine = engine()
        self.open: dict[int, Stream] = {}
        self._wire = wire
        self._gone = False

    def admit(self, stream: Stream, fields: list[Header], *, last: bool) -> None:
        """Makes a stream's HEADERS, its ``last`` frame where no body follows. Raises ``H2Error`` where this connection
        can carry no more calls: then nothing was made, and nothing will be written."""
        stream.id = self.engine.get_next_available_stream_id()
        self.engine.send_headers(stream.id, fields, end_stream=last)
        self.open[stream.id] = stream
        stream.sent = last

    def start(self, stream: Stream, body: bytes | None, on_dispatch: Callable[[], None] | None) -> None:
        """Writes the HEADERS, and with them a body that is at hand; ``None`` or empty: none, or it follows.

        ``on_dispatch`` is called when everything is ready and before the first byte.
        """
        if body and len(body) <= self._room(stream):
            self.engine.send_data(stream.id, body, end_stream=True)
            stream.sent = True
        if on_dispatch is not None:
            on_dispatch()
        self.flush()
        if body and not stream.sent:
            stream.follow((body,), len(body))

    # What a stream asks.

    async def send(self, stream: Stream, piece: bytes) -> None:
        """``Line``: in frames, each when there is room for it."""
        position = 0
        while position < len(piece):
            if not self._wire.writable.is_set():
                await self._wire.writable.wait()
            elif (room := self._room(stream)) <= 0:
                await stream.window()
            else:
                self.engine.send_data(stream.id, piece[position : position + room])
                position += room
                self.flush()

    def finish(self, stream: Stream) -> None:
        """``Line``: the request is whole."""
        stream.sent = True
        self.engine.end_stream(stream.id)
        self.flush()

    def open_window(self, stream: Stream) -> None:
        """``Line``: room for as much again as has come."""
        # In large steps: the upstream has the other half of the window meanwhile.
        if stream.held >= UNREAD // 2 and not stream.over:
            self.engine.increment_flow_control_window(stream.held, stream.id)
            stream.held = 0
            self.flush()

    def _room(self, stream: Stream) -> int:
        # No larger a frame than any upstream takes, so that others get a word in, and little waits unwritten.
        return min(self.engine.local_flow_control_window(stream.id), LARGEST)

    def give_up(self, stream: Stream) -> None:
        """``Line``: ends a stream in the midst; the upstream is told that nobody waits for it."""
        if self.open.pop(stream.id, None) is not None:
            stream.end()
            self.reset(stream, ErrorCodes.CANCEL)
            self._wire.freed()

    # What became of it.

    def ended(self, stream: Stream) -> None:
        """The upstream's half of a stream is over, the other need not be: what is left of it is not written."""
        stream.end()
        if not stream.sent:
            self.reset(stream, ErrorCodes.NO_ERROR)
        self._wire.freed()

    def reset(self, stream: Stream, code: ErrorCodes) -> None:
        """Tells the upstream that a stream is over."""
        if self._gone:
            return
        try:
            self.engine.reset_stream(stream.id, code)
        except ProtocolError:
            return  # It has ended meanwhile, and h2 has heard of that before us.
        self.flush()

    def lose(self, fault: Callable[[Stream], OutcomeUnknown]) -> None:
        """The connection is gone, or no good, and so is every call on it; each gets a fault of its own."""
        self._gone = True
        streams = list(self.open.values())
        self.open.clear()
        for stream in streams:
            stream.end()
            stream.answer.failed(fault(stream))

    def ping(self) -> None:
        """Asks the upstream for a sign of life (RFC 9113, section 6.7)."""
        self.engine.ping(b"are you?")
        self.flush()

    def leave(self) -> None:
        """Tells the upstream that no more calls come (RFC 9113, section 6.8)."""
        self.engine.close_connection()
        self.flush()

    def flush(self) -> None:
        """Writes what there is to say."""
        if data := self.engine.data_to_send():
            self._wire.write(data)
