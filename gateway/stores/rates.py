"""How often each has called: ``ports.Rates``, in the process, and in a Redis for all gateways together.

Knows the library ``limits``: a sliding window made of the counts of two. Where the Redis does not answer in time, the
process counts by itself, so that a rate may be exceeded for as long as that lasts, and no call fails for it.
"""

import asyncio
from typing import Protocol

from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from gateway.errors import StoreUnavailable
from gateway.policies.callers import Rate
from gateway.ports import RATE_PATIENCE, Clock, Observer
from gateway.protocol.observations import CountedAlone, RatesAlone, RatesTogether
from gateway.stores.breaker import Breaker

_ITEMS = {1: RateLimitItemPerSecond, 60: RateLimitItemPerMinute, 3600: RateLimitItemPerHour}


def item_of(rate: Rate) -> RateLimitItem:
    """A rate as the library has it."""
    return _ITEMS[rate.seconds](rate.amount)


class OwnRates:
    """Counted in this process."""

    def __init__(self) -> None:
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def admits(self, rate: Rate, name: str) -> bool:
        """Counts one more."""
        return await self._limiter.hit(item_of(rate), name)

    async def close(self) -> None:
        """Nothing is held."""


class Together(Protocol):
    """Counts that gateways share; ``StoreUnavailable`` where they cannot be asked."""

    async def hit(self, item: RateLimitItem, name: str) -> bool:
        """Counts one more."""
        ...

    async def close(self) -> None:
        """Closes every connection."""
        ...


class SharedRates:
    """Counted for all gateways together, as long as that can be done in time."""

    def __init__(self, together: Together, observer: Observer, clock: Clock) -> None:
        self._together = together
        self._own = OwnRates()
        self._observer = observer
        self._clock = clock
        self._breaker = Breaker()

    async def admits(self, rate: Rate, name: str) -> bool:
        """Counts one more."""
        if self._breaker.permits(self._clock.monotonic()):
            try:
                async with asyncio.timeout(RATE_PATIENCE):
                    admitted = await self._together.hit(item_of(rate), name)
            except TimeoutError:
                self._failed("it did not answer in time")
            except StoreUnavailable as fault:
                self._failed(str(fault))
            else:
                if self._breaker.succeeded():
                    self._observer.observe(RatesTogether())
                return admitted
        self._observer.observe(CountedAlone())
        return await self._own.admits(rate, name)

    def _failed(self, detail: str) -> None:
        if self._breaker.failed(self._clock.monotonic()):
            self._observer.observe(RatesAlone(detail))

    async def close(self) -> None:
        """Closes every connection."""
        await self._together.close()
