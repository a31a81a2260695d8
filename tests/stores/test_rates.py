"""Rates: as many as were allowed and no more, in a process and over several, and never a fault for a call."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.errors import StoreUnavailable
from gateway.policies.callers import Rate
from gateway.ports import Rates
from gateway.protocol.observations import CountedAlone, Observation, RatesAlone, RatesTogether
from gateway.stores.rates import OwnRates, SharedRates, item_of
from gateway.stores.redis.rates import RedisRates
from tests.redis_servers import BINARIES, IN_MEMORY, RedisServer, start

RATE = Rate(20, 3600)


class Seen:
    def __init__(self) -> None:
        self.all: list[Observation] = []

    def observe(self, observation: Observation) -> None:
        self.all.append(observation)

    def count(self, kind: type[Observation]) -> int:
        return sum(isinstance(each, kind) for each in self.all)


class Now:
    """A clock that stands still until it is moved."""

    seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    server = start(BINARIES["valkey"], *IN_MEMORY, folder=tmp_path)
    yield server
    server.kill()


async def admitted(rates: Rates, times: int, name: str = "shop") -> int:
    """How many of so many are let in, however long the first connection takes on a busy machine."""
    return sum([await rates.admits(RATE, name) for _ in range(times)])


def test_a_process_lets_in_as_many_as_the_rate_allows_each() -> None:
    async def play() -> None:
        rates = OwnRates()
        # A window may end meanwhile; then a part of the last one counts, and never less than it allows in one.
        assert 20 <= await admitted(rates, 30) <= 30
        assert await admitted(rates, 1, "bar") == 1
        assert sum(await asyncio.gather(*(rates.admits(RATE, "crm") for _ in range(100)))) <= 20

    asyncio.run(play())


async def hits(together: RedisRates, times: int) -> int:
    return sum([await together.hit(item_of(RATE), "shop") for _ in range(times)])


def test_gateways_that_share_a_redis_share_the_rate(redis: RedisServer) -> None:
    async def play() -> None:
        one, other = RedisRates(redis.url), RedisRates(redis.url)
        assert await hits(one, 15) == 15
        assert await hits(other, 15) == 5
        assert await hits(one, 15) == 0
        await one.close()
        await other.close()

    asyncio.run(play())
    names = [name.decode() for name in redis.ask.scan_iter()]
    assert names
    assert all(name.startswith("ig:rate:") and redis.ask.pttl(name) > 0 for name in names), (
        "and counts end by themselves"
    )


def test_a_redis_that_is_away_costs_a_call_its_patience_and_no_fault(redis: RedisServer) -> None:
    async def play() -> None:
        seen, now = Seen(), Now()
        together = RedisRates(redis.url)
        rates = SharedRates(together, seen, now)
        assert await hits(together, 1) == 1, "connected"
        redis.ask.client_pause(2000)
        began = time.monotonic()
        assert await admitted(rates, 40) == 20, "the process's own window"
        assert time.monotonic() - began < 2.0, "three were waited for, and the others not at all"
        assert (seen.count(RatesAlone), seen.count(CountedAlone)) == (1, 40)
        redis.kill()
        now.seconds += 2
        assert not await rates.admits(RATE, "shop")
        with pytest.raises(StoreUnavailable):
            await hits(together, 1)
        await rates.close()

    asyncio.run(play())


def test_what_comes_back_counts_for_all_again(redis: RedisServer) -> None:
    class Flaky:
        """The Redis, with its cord in somebody's hand."""

        def __init__(self) -> None:
            self.away, self.real = True, RedisRates(redis.url)

        async def hit(self, item: object, name: str) -> bool:
            if self.away:
                raise StoreUnavailable("away")
            return True

        async def close(self) -> None:
            await self.real.close()

    async def play() -> None:
        seen, now, flaky = Seen(), Now(), Flaky()
        rates = SharedRates(flaky, seen, now)
        await admitted(rates, 5)
        assert [type(each) for each in seen.all].count(RatesAlone) == 1
        flaky.away = False
        now.seconds += 2
        assert await admitted(rates, 50) == 50
        assert (seen.count(RatesTogether), seen.count(CountedAlone)) == (1, 5)
        await rates.close()

    asyncio.run(play())
