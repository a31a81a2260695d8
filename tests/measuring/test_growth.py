"""What the instrument of growth says of itself: its records are the store's own, and its sweep is the due one."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from gateway.ports import Store, SweepCounts
from gateway.protocol.model import Granted, KeyExpired, Replay, Verdict
from loadtests.calls import ANSWER, claim_of
from loadtests.growth import filling, postgres, valkey
from loadtests.growth.speed import Effort
from loadtests.growth.spread import Fate, Spread, record_of
from loadtests.growth.sweep import swept
from tests.conftest import emptied
from tests.measuring.commands import printed
from tests.postgres import Servers
from tests.redis_servers import shared

# More is due than one batch of a sweep takes.
SPREAD = Spread(2000, 0.6)
EFFORT = Effort(callers=8, seconds=0.2, rounds=1)
HEARD: dict[Fate, type[Verdict]] = {Fate.FORGOTTEN: Granted, Fate.EXPIRED: KeyExpired, Fate.KEPT: Replay}

Full = Callable[[], AbstractAsyncContextManager[Store]]


@pytest.fixture(params=["postgres", "redis"])
def full(request: pytest.FixtureRequest, servers: Servers) -> Iterator[Full]:
    """Fills a store as the instrument does, and opens it."""
    if request.param == "redis":
        emptied()

        @asynccontextmanager
        async def redis() -> AsyncGenerator[Store]:
            async with valkey.opened(shared("valkey")) as store:
                await valkey.fill(store, SPREAD)
                yield store

        yield redis
        return
    with servers.get().database() as url:

        @asynccontextmanager
        async def sql() -> AsyncGenerator[Store]:
            await filling.fill(url, *SPREAD.stretches())
            async with postgres.opened(url) as store:
                yield store

        yield sql


def test_every_record_that_was_filled_opens_and_is_what_its_age_makes_of_it(full: Full) -> None:
    async def heard() -> dict[int, Verdict]:
        async with full() as store:
            numbers = range(1, SPREAD.count + 1)
            verdicts = await asyncio.gather(*(store.claim(claim_of(record_of(number))) for number in numbers))
            return dict(zip(numbers, verdicts, strict=True))

    verdicts = asyncio.run(heard())
    for stretch in SPREAD.stretches():
        assert {type(verdicts.pop(number)) for number in stretch.numbers} == {HEARD[stretch.fate]}
    assert verdicts == {}


def test_every_kept_record_is_replayed_whole(full: Full) -> None:
    async def heard() -> list[Verdict]:
        async with full() as store:
            return await asyncio.gather(*(store.claim(claim_of(record_of(number))) for number in SPREAD.kept))

    answers = [verdict.response for verdict in asyncio.run(heard()) if isinstance(verdict, Replay)]
    assert answers == [ANSWER] * len(SPREAD.kept)


def test_a_sweep_beside_first_calls_does_exactly_what_is_due(full: Full) -> None:
    async def left() -> tuple[SweepCounts, dict[str, int]]:
        async with full() as store:
            found = await swept(store, SPREAD.to_sweep, EFFORT)
            assert found.claims.rate > 0
            return found.counts, dict(await store.count())

    counts, records = asyncio.run(left())
    assert counts == SweepCounts(answers_expired=1200, forgotten=600)
    assert records["expired"] == 600
    assert records["completed"] >= 800


def test_a_sweep_that_does_anything_else_is_no_measurement(full: Full) -> None:
    async def sweep() -> None:
        async with full() as store:
            await swept(store, SweepCounts(answers_expired=1200, forgotten=601), EFFORT)

    with pytest.raises(AssertionError, match="forgotten=600"):
        asyncio.run(sweep())


def test_ages_fall_from_record_to_record_however_they_are_divided() -> None:
    parts = [part for stretch in SPREAD.stretches() for part in stretch.parts(7)]
    whole = [each for stretch in SPREAD.stretches() for each in stretch.ages()]
    assert [each for part in parts for each in part.ages()] == whole
    assert [number for number, _ in whole] == list(range(1, SPREAD.count + 1))
    assert len({age for _, age in whole}) == SPREAD.count
    assert [age for _, age in whole] == sorted((age for _, age in whole), reverse=True)


def test_the_command_prints_what_it_measured(tmp_path: Path) -> None:
    sizes = ("--postgres", "2000", "--redis", "2000", "--folder", str(tmp_path))
    lines = printed("loadtests.growth", *sizes, "--rounds", "1", "--seconds", "0.1", "--callers", "8").splitlines()
    assert sum(line.startswith("2,000 completed records, 200 of them due for the sweep") for line in lines) == 2
    assert sum(line.startswith("first calls/s, 8 callers ") for line in lines) == 2
    assert sum("200 answers dropped, 100 records forgotten" in line for line in lines) == 2
    assert sum("a partition of 100 answers is dropped" in line for line in lines) == 1
    assert [line[:34].strip() for line in lines if line.startswith(("swept", "as many"))] == [
        "swept",
        "as many again as were forgotten",
    ]
    assert list(tmp_path.iterdir()) == []
