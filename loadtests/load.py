"""A load generator: so many connections, one call at a time on each, for so many seconds.

In Python, so that it needs nothing installed; it costs less than a tenth of what it measures.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

Request = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Figures:
    """What a load came to: calls a second, and how long they took (seconds)."""

    rate: float
    median: float
    p99: float


@dataclass
class Tally:
    """What came back: calls by status and ``Idempotency-Status``, and how long each took (seconds)."""

    calls: int = 0
    outcomes: dict[tuple[bytes, bytes], int] = field(default_factory=dict)
    times: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Calls a second."""
        return self.calls / self.seconds

    def figures(self) -> Figures:
        """What it came to."""
        times = sorted(self.times)
        return Figures(self.rate, times[len(times) // 2], times[int(len(times) * 0.99)])


class Caller(asyncio.Protocol):
    """One connection: sends the next request when the last answer is whole."""

    def __init__(self, request: Request, numbers: Callable[[], int], tally: Tally, deadline: float) -> None:
        self._request, self._numbers, self._tally, self._deadline = request, numbers, tally, deadline
        self._seen = b""
        self._sent = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begins."""
        self._transport = cast("asyncio.Transport", transport)
        self._next()

    def _next(self) -> None:
        self._sent = time.perf_counter()
        if self._sent >= self._deadline:
            self._transport.close()
            self.done.set_result(None)
            return
        self._transport.write(self._request(self._numbers()))

    def data_received(self, data: bytes) -> None:
        """Counts an answer and goes on."""
        self._seen += data
        end = self._seen.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._seen[:end]
        length = int(_field(head, b"content-length:"))
        if len(self._seen) < end + 4 + length:
            return
        self._seen = b""
        outcome = (head[9:12], _field(head, b"idempotency-status:"))
        self._tally.calls += 1
        self._tally.outcomes[outcome] = self._tally.outcomes.get(outcome, 0) + 1
        self._tally.times.append(time.perf_counter() - self._sent)
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        """An end that nobody asked for is a failed measurement."""
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the gateway hung up"))


def _field(head: bytes, name: bytes) -> bytes:
    start = head.lower().find(name)
    return head[start + len(name) :].split(b"\r\n", 1)[0].strip() if start >= 0 else b"0"


async def load(port: int, request: Request, *, connections: int, seconds: float, first: int = 0) -> Tally:
    """Loads a port on loopback and says what came back."""
    loop = asyncio.get_running_loop()
    tally, count = Tally(), first

    def numbers() -> int:
        nonlocal count
        count += 1
        return count

    begun = time.perf_counter()
    deadline = begun + seconds
    made = [
        await loop.create_connection(lambda: Caller(request, numbers, tally, deadline), "127.0.0.1", port)
        for _ in range(connections)
    ]
    await asyncio.gather(*(caller.done for _, caller in made))
    tally.seconds = time.perf_counter() - begun
    return tally
