"""Somebody is quicker, between the look and the tombstone of a forgetting: it is ruled again on what is there then."""

import asyncio
from collections.abc import Iterator

import asyncpg
import pytest

from gateway.protocol.model import Complete, Forgotten, Grant, MarkUnknown, Moved, Release, Settled, Settlement
from gateway.stores.redis import forgetting, scripts
from gateway.stores.redis.line import Reply
from gateway.stores.redis.store import RedisStore
from gateway.stores.redis.trips import Word
from tests.postgres import Servers, installed
from tests.stores.backends import Bench, PostgresBackend, RedisBackend
from tests.stores.requests import ANSWER, claim, owner


def unknown(bench: Bench) -> Grant:
    grant = bench.granted(claim("k"))
    bench.settle(grant, MarkUnknown("reset"))
    return grant


# Redis


@pytest.fixture
def on_redis(backend: RedisBackend) -> Iterator[Bench]:
    with Bench(backend) as bench:
        yield bench


async def overtaken(store: RedisStore, grant: Grant, settlement: Settlement) -> tuple[object, int]:
    """A forgetting during which the record is settled; and how often it wrote."""
    tried = 0

    async def ask(*words: Word) -> Reply:
        nonlocal tried
        if scripts.FORGET.sha in words:
            tried += 1
            if tried == 1:
                assert isinstance(await store.settle(grant, settlement), Settled)
        return await store._lines.ask(*words)

    return await forgetting.forget(ask, store._opened(), grant.id, grant.fence, "on-call", ""), tried


@pytest.mark.parametrize(("settlement", "writes"), [(Complete(ANSWER), 2), (Release(), 1)])
def test_on_redis_a_record_that_was_settled_meanwhile_is_judged_again(
    on_redis: Bench, settlement: Settlement, writes: int
) -> None:
    grant = unknown(on_redis)
    store = on_redis.store
    assert isinstance(store, RedisStore)
    assert on_redis.run(overtaken(store, grant, settlement)) == (Forgotten(), writes)
    assert on_redis.settle(grant, MarkUnknown("late")) == Moved()


# Postgres

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


@pytest.mark.parametrize("name", installed())
def test_on_postgres_a_record_that_was_taken_over_meanwhile_is_not_forgotten(servers: Servers, name: str) -> None:
    server = servers.get(name)

    async def scenario(bench: Bench, url: str, grant: Grant) -> object:
        other, watching = await asyncpg.connect(url), await asyncpg.connect(url)
        try:
            async with other.transaction():
                # Nobody else can write the row until this commits.
                await other.execute("UPDATE records SET fence = 2, owner = $1", owner(9))
                forgetting = asyncio.create_task(bench.store.forget(grant.id, grant.fence))
                while await watching.fetchval(WAITING) == 0:
                    assert not forgetting.done()
            return await forgetting
        finally:
            await other.close()
            await watching.close()

    with server.database() as url, Bench(PostgresBackend(server, url)) as bench:
        grant = unknown(bench)
        before = bench.look(grant.id)
        assert bench.run(scenario(bench, url, grant)) == Moved()
        after = bench.look(grant.id)
        assert type(after) is type(before)
