"""The way to a front: how long a trip may take, when none is tried, and what is under way that nobody waits for.

Knows the budget, the breaker and the joining. Whatever fails on the way is told as "nothing heard", and never raised: a
front costs time, and nothing else. Refuses to know what is asked.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from gateway.errors import StoreUnavailable, StoreUnfit
from gateway.ports import Clock, Front, Observer
from gateway.protocol import observations as seen
from gateway.protocol.fingerprint import Digester
from gateway.stores.breaker import Breaker

Result = TypeVar("Result")

# Seconds. What a look in front may cost a call before the authority is asked; and what nobody waits for may take.
BUDGET = 0.05
PATIENCE = 1.0

# Copies on their way to the front. One more is not written: it is only a copy, and the next retry brings it.
MOST_WRITES = 1024


class Approach:
    """The way to one front. ``heard`` is called after each trip that arrived: was the front lost before?"""

    def __init__(self, front: Front, observer: Observer, clock: Clock, heard: Callable[[bool], None]) -> None:
        self._front = front
        self._observer = observer
        self._clock = clock
        self._heard = heard
        self._breaker = Breaker()
        self._digester: Digester | None = None
        self._joined = False
        self.under_way: set[asyncio.Task[None]] = set()

    async def join(self, digester: Digester, *, accept_change: bool) -> bool:
        """Whether the front was joined; one that is down can wait. ``StoreUnfit`` where it is another authority's."""
        self._digester = digester
        try:
            async with asyncio.timeout(PATIENCE):
                await self._front.join(digester, accept_change=accept_change)
        except (StoreUnavailable, TimeoutError) as fault:
            self._observer.observe(seen.FrontLost(str(fault) or _late(PATIENCE)))
            self._breaker.trip(self._clock.monotonic())
            return False
        self._joined = True
        return True

    async def asked(self, ask: Callable[[], Awaitable[Result]], seconds: float) -> tuple[str, Result | None]:
        """How it went, and the front's word, ``None`` where it has none."""
        if not self._breaker.permits(self._clock.monotonic()):
            return "skipped", None
        try:
            async with asyncio.timeout(seconds):
                if not self._joined and self._digester is not None:
                    await self._front.join(self._digester)
                    self._joined = True
                answer = await ask()
        except (StoreUnavailable, StoreUnfit, TimeoutError) as fault:
            self._failed(str(fault) or _late(seconds))
            return "fault", None
        is_back = self._breaker.succeeded()
        if is_back:
            self._observer.observe(seen.FrontBack())
        self._heard(is_back)
        return "nothing" if answer is None else "answered", answer

    async def reached(self, trip: Callable[[], Awaitable[None]]) -> bool:
        """Whether a trip that brings nothing back arrived."""
        result, _ = await self.asked(trip, PATIENCE)
        return result == "nothing"

    async def ping(self) -> None:
        """For the operator; past the breaker, which it leaves as it is."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self._front.ping()
        except TimeoutError:
            raise StoreUnavailable(_late(PATIENCE)) from None

    @property
    def is_busy(self) -> bool:
        """Whether no more is to be brought to the front for now."""
        return len(self.under_way) >= MOST_WRITES

    def bring(self, write: Callable[[], Awaitable[None]]) -> None:
        """Writes to the front, and nobody waits for it."""
        if not self.is_busy:
            self.spawn(self._brought(write))

    async def _brought(self, write: Callable[[], Awaitable[None]]) -> None:
        await self.asked(write, PATIENCE)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs what nobody waits for."""
        task = asyncio.get_running_loop().create_task(work)
        self.under_way.add(task)
        task.add_done_callback(self.under_way.discard)

    async def close(self) -> None:
        """What is under way is given a moment; losing it loses nothing."""
        if self.under_way:
            await asyncio.wait(self.under_way, timeout=PATIENCE)
        for task in self.under_way:
            task.cancel()
        await self._front.close()

    def _failed(self, detail: str) -> None:
        if self._breaker.failed(self._clock.monotonic()):
            # It may come back as another one.
            self._joined = False
            self._observer.observe(seen.FrontLost(detail))


def _late(seconds: float) -> str:
    return f"no answer within {seconds * 1000:g} ms"
