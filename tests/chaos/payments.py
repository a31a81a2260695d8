"""The upstream of a run: it logs each request before it answers, and misbehaves by plan.

Knows sockets and HTTP/1.1. With a key of the route ``retry`` it keeps what such an upstream promises: it recognises a
key that it has executed, and gives the same answer again. Refuses to know gateways and faults.
"""

import asyncio
import hashlib
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.chaos.logs import CANARY, Arrival, Fields, Way
from tests.chaos.moods import Mood, Plan, plan
from tests.upstream import answer, chunked

TIMEOUT = 20.0
# Within the routes' time for an answer, and beyond it but within the time in which the gateway still listens.
DRIP_PAUSE, LATE = 0.05, 1.8
_EXTRA = b"HTTP/1.1 200 Nobody asked\r\nContent-Length: 4\r\n\r\nmore"


@dataclass(frozen=True, slots=True)
class _Request:
    """A head as it came."""

    fields: dict[str, str]

    @property
    def key(self) -> str:
        return self.fields["idempotency-key"]

    @property
    def caller(self) -> str:
        return self.fields["authorization"].rpartition("-")[2]


@dataclass
class Payments:
    """The server and its log."""

    seed: int
    began: float
    log: list[Arrival] = field(default_factory=list[Arrival])
    # From here on every request is answered.
    calm: bool = False
    port: int = 0
    _turns: Counter[str] = field(default_factory=Counter[str])
    _executions: int = 0
    _known: dict[str, tuple[int, Fields, bytes]] = field(default_factory=dict[str, tuple[int, Fields, bytes]])
    _idle: set[asyncio.StreamWriter] = field(default_factory=set[asyncio.StreamWriter])
    _server: asyncio.Server | None = None
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)

    def go_away(self) -> None:
        """Refuses connections, and ends those that are idle; what is under way goes on."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(TIMEOUT)

    def come_back(self) -> None:
        """Listens again, where it did."""
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(TIMEOUT)

    async def live(self, started: threading.Event, stop: asyncio.Event) -> None:
        await self._listen()
        started.set()
        await stop.wait()
        await self._close()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        for each in list(self._idle):
            each.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A gateway that hangs up in the middle, or dies, ends nothing here but this connection.
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            self._idle.add(writer)
            while head := await _head(reader):
                self._idle.discard(writer)
                if not await self._one(head, reader, writer):
                    break
                self._idle.add(writer)
        self._idle.discard(writer)
        writer.close()

    async def _one(self, head: _Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection goes on."""
        turn = self._turns[head.key]
        self._turns[head.key] += 1
        planned = Plan(Mood.ANSWER, 100, 0) if self.calm else plan(self.seed, head.key, turn)
        if planned.mood is Mood.UNREAD:
            self._note(head, head.fields["payload"], planned.mood)
            _reset(writer)
            return False
        body = await reader.readexactly(int(head.fields["content-length"]))
        payload = hashlib.sha256(body).hexdigest()
        if planned.mood is Mood.TURN_AWAY:
            self._note(head, payload, planned.mood, turned_away=True)
            writer.write(answer(429, b"later", ("Retry-After", "1")))
            await writer.drain()
            return True
        recognised = head.key in self._known
        status, fields, text = self._execute(head, planned)
        whole = planned.mood not in (Mood.HANG, Mood.RESET, Mood.CLOSE, Mood.CUT)
        said = (status, tuple((name.lower(), value) for name, value in fields), hashlib.sha256(text).hexdigest())
        mood = f"(recognises the key) {planned.mood}" if recognised else planned.mood
        self._note(head, payload, mood, executed=not recognised, answer=said if whole else None)
        return await self._say(planned, (status, fields, text), reader, writer)

    def _execute(self, head: _Request, planned: Plan) -> tuple[int, Fields, bytes]:
        """The answer of an execution; never the same twice, so that a second one would show."""
        if head.key in self._known:
            return self._known[head.key]
        self._executions += 1
        filler = random.Random(f"{self.seed}/{head.key}").randbytes(planned.size // 2).hex()
        text = f'{{"execution": {self._executions}, "of": "{CANARY}-{head.caller}-", "filler": "{filler}"}}'.encode()
        fields = (
            ("Content-Type", "application/json"),
            ("Execution", f"{self._executions}"),
            ("Link", "</a>; rel=one"),
            ("Link", "</b>; rel=two"),
            ("Set-Cookie", f"session={CANARY}-{head.caller}-"),
        )
        if head.key.startswith(Way.RETRY):
            self._known[head.key] = (201, fields, text)
        return (500 if planned.mood is Mood.FAIL else 201), fields, text

    def _note(
        self,
        head: _Request,
        payload: str,
        mood: str,
        *,
        executed: bool = False,
        turned_away: bool = False,
        answer: tuple[int, Fields, str] | None = None,
    ) -> None:
        attempt, at = int(head.fields["attempt"]), time.monotonic() - self.began
        self.log.append(Arrival(attempt, head.key, payload, at, mood, executed, turned_away, answer))

    async def _say(
        self,
        planned: Plan,
        what: tuple[int, Fields, bytes],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        data = _written(planned.mood, *what)
        match planned.mood:
            case Mood.RESET:
                _reset(writer)
            case Mood.HANG:
                await reader.read()
            case Mood.CUT:
                writer.write(data[: int(planned.cut * len(data))])
            case Mood.DRIP:
                for at in range(0, len(data), len(data) // 4):
                    writer.write(data[at : at + len(data) // 4])
                    await writer.drain()
                    await asyncio.sleep(DRIP_PAUSE)
            case Mood.LATE:
                await asyncio.sleep(LATE)
                writer.write(data)
            case _:
                writer.write(data)
        await writer.drain()
        return planned.mood not in _LAST


# After these the connection ends.
_LAST = (Mood.HANG, Mood.RESET, Mood.CLOSE, Mood.CUT, Mood.CLOSE_DELIMITED)


def _written(mood: Mood, status: int, fields: Fields, text: bytes) -> bytes:
    """The answer on the wire."""
    match mood:
        case Mood.CLOSE:
            return b""
        case Mood.CLOSE_DELIMITED:
            return answer(status, text, *fields, ("Connection", "close"), length=False)
        case Mood.CHUNKED:
            return chunked(status, text[:17], text[17:], fields=fields)
        case Mood.EXTRA:
            return answer(status, text, *fields) + _EXTRA
        case _:
            return answer(status, text, *fields)


def _reset(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _head(reader: asyncio.StreamReader) -> _Request | None:
    try:
        text = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    pairs = (line.partition(":") for line in text[:-4].split("\r\n")[1:])
    return _Request({name.lower(): value.strip() for name, _, value in pairs})


@contextmanager
def serving(seed: int, began: float) -> Generator[Payments]:
    """The upstream, in a thread of its own."""
    payments = Payments(seed, began)
    started, stop = threading.Event(), asyncio.Event()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: payments._loop) as runner:
            runner.run(payments.live(started, stop))

    thread = threading.Thread(target=run)
    thread.start()
    assert started.wait(TIMEOUT)
    try:
        yield payments
    finally:
        payments._loop.call_soon_threadsafe(stop.set)
        thread.join(TIMEOUT)
