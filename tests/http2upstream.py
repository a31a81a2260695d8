"""The upstream of ``tests.upstream`` in HTTP/2: the same plays, the same log, spoken by h2.

An answer is written as HTTP/1.1 in a play and said in frames here, whole or as far as it goes: a head that is cut is
none, a body that is cut has no end of its stream. Every stream has a task, so that calls on one connection do not wait
for each other. What ends a connection in a play ends it here too, with all calls on it; ``reset`` is a TCP reset.
"""

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

from tests.upstream import Logged, Play, Upstream

_FRAME = 16384
_CONFIG = H2Configuration(client_side=False, validate_outbound_headers=False, normalize_outbound_headers=False)
_NOT_IN_HTTP2 = ("connection", "transfer-encoding", "keep-alive")


@dataclass
class Http2Upstream(Upstream):
    """``connections``: how many came. ``allows``: how many calls a connection may carry at once; ``settings_of_it``:
    what else it says of itself. ``resets``, ``farewells``: error codes that the gateway gave. ``largest``: of the DATA
    frames that came."""

    connections: int = 0
    allows: int = 100
    settings_of_it: dict[SettingCodes, int] = field(default_factory=dict)
    resets: list[int] = field(default_factory=list)
    farewells: list[int] = field(default_factory=list)
    largest: int = 0
    misbehave: Callable[["Conversation", int, Logged], bool] | None = None
    """Speaks for a stream itself, where it returns true."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        await Conversation(self, reader, writer).run()


class Conversation:
    """One connection."""

    def __init__(self, upstream: Http2Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.loop = asyncio.get_running_loop()
        self.engine = H2Connection(_CONFIG)
        self.writer = writer
        self._upstream = upstream
        self._reader = reader
        self._heads: dict[int, tuple[str, tuple[tuple[str, str], ...]]] = {}
        self._bodies: dict[int, bytearray] = {}
        self._windows = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        try:
            allowed = {SettingCodes.MAX_CONCURRENT_STREAMS: self._upstream.allows, **self._upstream.settings_of_it}
            self.engine.local_settings = Settings(client=False, initial_values=allowed)
            self.engine.initiate_connection()
            self.flush()
            while data := await self._reader.read(65536):
                for event in self.engine.receive_data(data):
                    await self._hear(event)
                self.flush()
        except (ConnectionError, ProtocolError, asyncio.CancelledError):
            pass  # The gateway hung up, or the test is over; what arrived whole is in the log.
        finally:
            self._upstream.left.set()
            for task in self._tasks:
                task.cancel()
            # Not closed in order: over TLS that would wait for a farewell of the other side, which has gone.
            self.writer.transport.abort()

    def flush(self) -> None:
        """Writes what there is to say."""
        if not self.writer.is_closing():
            self.writer.write(self.engine.data_to_send())

    def reset(self) -> None:
        """Ends the connection with a TCP reset."""
        connection = self.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def _hear(self, event: Event) -> None:
        match event:
            case RequestReceived():
                fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers or ()]
                told = dict(fields)
                line = f"{told[':method']} {told[':path']} HTTP/2"
                rest = [("host", told[":authority"]), *(each for each in fields if not each[0].startswith(":"))]
                self._heads[event.stream_id] = line, tuple(rest)
                self._bodies[event.stream_id] = bytearray()
            case DataReceived():
                self._bodies[event.stream_id] += event.data or b""
                self._upstream.largest = max(self._upstream.largest, len(event.data or b""))
                self.engine.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
            case StreamEnded():
                self._arrived(event.stream_id)
            case ConnectionTerminated():
                self._upstream.farewells.append(int(event.error_code or 0))
            case StreamReset():
                self._upstream.resets.append(int(event.error_code))
                self._upstream.left.set()
                async with self._windows:
                    self._windows.notify_all()
            case WindowUpdated():
                async with self._windows:
                    self._windows.notify_all()
            case _:
                pass

    def _arrived(self, stream: int) -> None:
        logged = Logged(*self._heads[stream], bytes(self._bodies[stream]))
        upstream = self._upstream
        with upstream.arrived:
            upstream.log.append(logged)
            number = len(upstream.log)
            upstream.arrived.notify_all()
        if upstream.misbehave is not None and upstream.misbehave(self, stream, logged):
            self.flush()
            return
        task = asyncio.get_running_loop().create_task(self._play(stream, upstream._play(logged, number)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _play(self, stream: int, play: Play) -> None:
        if play.gate is not None:
            await asyncio.to_thread(play.gate.wait, 20)
        with suppress(ProtocolError):  # The gateway has ended the stream.
            whole = await self.answer(stream, b"".join((play.data, *play.pieces)))
            if play.then == "reset":
                self.reset()
            elif play.then == "close" and not whole:
                await self.writer.drain()
                self.writer.close()

    async def answer(self, stream: int, data: bytes) -> bool:
        """Says an HTTP/1.1 answer in frames, as far as it goes; whether it was whole."""
        head, end, rest = data.partition(b"\r\n\r\n")
        while head.startswith(b"HTTP/1.1 1") and end:
            self.engine.send_headers(stream, [(b":status", head[9:12])])
            head, end, rest = rest.partition(b"\r\n\r\n")
        if not end:
            self.flush()
            return False
        fields = [line.partition(b":") for line in head.split(b"\r\n")[1:]]
        told = [(name.lower(), value.strip()) for name, _, value in fields]
        kept = [each for each in told if each[0].decode() not in _NOT_IN_HTTP2]
        body, whole = _body(dict(told), rest)
        none = self._heads[stream][0].startswith("HEAD")
        self.engine.send_headers(stream, [(b":status", head[9:12]), *kept], end_stream=none or (whole and not body))
        self.flush()
        if none or (whole and not body):
            return True
        await self._say(stream, body)
        if whole:
            self.engine.end_stream(stream)
            self.flush()
        return whole

    async def _say(self, stream: int, body: bytes) -> None:
        position = 0
        while position < len(body):
            room = min(self.engine.local_flow_control_window(stream), _FRAME)
            if room <= 0:
                async with self._windows:
                    if self.engine.local_flow_control_window(stream) <= 0:
                        await self._windows.wait()
                continue
            self.engine.send_data(stream, body[position : position + room])
            position += room
            self.flush()
            await self.writer.drain()


def _body(fields: dict[bytes, bytes], rest: bytes) -> tuple[bytes, bool]:
    """The content of an HTTP/1.1 body, and whether it is all of it."""
    if fields.get(b"transfer-encoding") == b"chunked":
        content = b""
        while (size := rest.partition(b"\r\n"))[1] and (length := int(size[0], 16)):
            content += size[2][:length]
            rest = size[2][length + 2 :]
        return content, rest.startswith(b"0\r\n") and rest.endswith(b"\r\n\r\n")
    if b"content-length" in fields:
        length = int(fields[b"content-length"])
        return rest[:length], len(rest) >= length
    return rest, True
