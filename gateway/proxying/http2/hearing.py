"""What an upstream says on one connection: bytes to frames by h2, and each told to the call that it is for.

Knows that nothing of one stream may reach another call, and that room is given only for what was taken. Refuses to
know sockets and requests.
"""

from typing import Protocol

from h2 import events as seen
from h2.errors import ErrorCodes

from gateway.proxying.faults import refused_stream, reset_stream, went_away
from gateway.proxying.http2.engine import WINDOW
from gateway.proxying.http2.frames import Farewell, Frames
from gateway.proxying.http2.traffic import Traffic


class Hearer(Protocol):
    """The connection, as far as it hears of itself."""

    def allows(self, calls: int) -> None:
        """The upstream has said how many calls it takes at once."""
        ...

    def leaves(self) -> None:
        """The upstream takes no more calls on this connection."""
        ...


class Hearing:
    """The inward half of a connection."""

    def __init__(self, traffic: Traffic, hearer: Hearer) -> None:
        self._traffic = traffic
        self._hearer = hearer
        self._frames = Frames()
        self._taken = 0

    def hear(self, data: bytes) -> None:
        """Frames, in any slices. Raises ``OutcomeUnknown`` or ``H2Error`` for what breaks the rules."""
        traffic = self._traffic
        for frame in self._frames.feed(data):
            if isinstance(frame, Farewell):
                self._go_away(frame.last)
                continue
            for event in traffic.engine.receive_data(frame):
                self._hear(event)
        # Only now, when those that have ended are known: they are given no room.
        for stream in list(traffic.open.values()):
            if stream.has_room:
                traffic.open_window(stream)
        traffic.flush()

    def _hear(self, event: seen.Event) -> None:
        """Whatever is not named here is of no account: pings are answered by h2, trailers are dropped."""
        match event:
            case seen.DataReceived():
                self._data(event)
            case seen.ResponseReceived():
                if (stream := self._traffic.open.get(event.stream_id)) is not None:
                    stream.begin(event.headers or ())
            case seen.StreamEnded():
                self._ended(event)
            case seen.WindowUpdated():
                self._window_updated(event)
            case seen.StreamReset():
                self._was_reset(event)
            case seen.InformationalResponseReceived():
                if (stream := self._traffic.open.get(event.stream_id)) is not None:
                    stream.inform([(bytes(name), bytes(value)) for name, value in event.headers or ()])
            case seen.RemoteSettingsChanged():
                self._settings()
            case _:
                pass

    def _settings(self) -> None:
        self._hearer.allows(self._traffic.engine.remote_settings.max_concurrent_streams)
        for stream in self._traffic.open.values():
            stream.window_opened()

    def _window_updated(self, event: seen.WindowUpdated) -> None:
        streams = self._traffic.open
        for stream in [streams.get(event.stream_id)] if event.stream_id else list(streams.values()):
            if stream is not None:
                stream.window_opened()

    def _data(self, event: seen.DataReceived) -> None:
        # The connection's window is open for all again, whoever has not read what is his.
        self._taken += event.flow_controlled_length
        if self._taken >= WINDOW // 2:
            self._traffic.engine.increment_flow_control_window(self._taken)
            self._taken = 0
        stream = self._traffic.open.get(event.stream_id)
        if stream is not None:
            stream.take(event.data, event.flow_controlled_length)

    def _ended(self, event: seen.StreamEnded) -> None:
        stream = self._traffic.open.get(event.stream_id)
        if stream is not None and stream.is_whole():
            del self._traffic.open[event.stream_id]
            stream.reading.complete = True
            self._traffic.ended(stream)
            stream.answer.arrived()

    def _was_reset(self, event: seen.StreamReset) -> None:
        stream = self._traffic.open.pop(event.stream_id, None)
        if stream is not None:
            stream.sent = True  # There is no half of it left to end.
            self._traffic.ended(stream)
            if event.error_code == ErrorCodes.REFUSED_STREAM:
                stream.answer.failed(refused_stream(believed=stream.believes))
            else:
                stream.answer.failed(reset_stream(int(event.error_code)))

    def _go_away(self, last: int) -> None:
        for stream in [each for each in self._traffic.open.values() if each.id > last]:
            stream.fail(went_away(believed=stream.believes))
        self._hearer.leaves()
