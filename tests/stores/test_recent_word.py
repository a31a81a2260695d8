"""What one process has forgotten, others that keep the answer let go of: by word of the server, while there is any."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg
import pytest

from gateway.protocol.model import Complete, Forgotten, Granted, KeyExpired, RecordId, Replay
from gateway.registry import Records
from gateway.stores.recent import Recent
from tests.postgres import Servers, on
from tests.redis_servers import shared
from tests.stores.backends import Backend, Ignored, PostgresBackend, RedisBackend
from tests.stores.requests import ANSWER, claim

# So long that only word can end a copy within a test.
LONG = 600.0


class Heeding(Recent):
    """Tells whether word of others comes."""

    def __init__(self, store: Records) -> None:
        super().__init__(store, time, Ignored(), 1024 * 1024, LONG)
        self.heeded: asyncio.Queue[bool] = asyncio.Queue()
        self.told: asyncio.Queue[RecordId] = asyncio.Queue()
        store.follow(self)

    def heeds(self, *, others: bool) -> None:
        super().heeds(others=others)
        self.heeded.put_nowait(others)

    def forgotten(self, record_id: RecordId) -> None:
        super().forgotten(record_id)
        self.told.put_nowait(record_id)


@asynccontextmanager
async def two(backend: Backend) -> AsyncGenerator[tuple[Heeding, Records]]:
    """A gateway that keeps answers, and another one."""
    async with AsyncExitStack() as stack:
        stores = [await backend.open() for _ in range(2)]
        for store in stores:
            stack.push_async_callback(store.close)
        yield Heeding(stores[0]), stores[1]


@pytest.fixture(params=["redis", "postgres"])
def backend(request: pytest.FixtureRequest, servers: Servers) -> Iterator[Backend]:
    if request.param == "redis":
        yield RedisBackend(shared("valkey"))
        return
    with servers.get().database() as url:
        yield PostgresBackend(servers.get(), url)


def play(backend: Backend, scenario: Callable[[Heeding, Records], Awaitable[None]]) -> None:
    async def scene() -> None:
        async with asyncio.timeout(60), two(backend) as (recent, other):
            await scenario(recent, other)

    asyncio.run(scene())


async def kept(recent: Recent, key: str) -> RecordId:
    """A completed record that was replayed once."""
    verdict = await recent.claim(claim(key))
    assert isinstance(verdict, Granted)
    await recent.settle(verdict.grant, Complete(ANSWER))
    assert isinstance(await recent.claim(claim(key)), Replay)
    return verdict.grant.id


def cut(backend: Backend) -> Awaitable[Any]:
    """Ends every connection on which word comes."""
    if isinstance(backend, RedisBackend):
        return asyncio.to_thread(backend.server.ask.execute_command, "CLIENT", "KILL", "TYPE", "pubsub")
    assert isinstance(backend, PostgresBackend)
    listeners = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"

    async def terminate(connection: asyncpg.Connection) -> None:
        await connection.execute(listeners)

    return on(backend.url, terminate)


def test_what_another_gateway_has_forgotten_is_repeated_no_more(backend: Backend) -> None:
    async def scenario(recent: Heeding, other: Records) -> None:
        assert await recent.heeded.get()
        record_id = await kept(recent, "k")
        assert isinstance(await other.forget(record_id, 1), Forgotten)
        assert await recent.told.get() == record_id
        assert await recent.claim(claim("k")) == KeyExpired()

    play(backend, scenario)


def test_a_gateway_that_hears_nothing_any_more_believes_nothing_until_it_hears_again(backend: Backend) -> None:
    async def scenario(recent: Heeding, other: Records) -> None:
        assert await recent.heeded.get()
        record_id = await kept(recent, "k")
        await cut(backend)
        assert not await recent.heeded.get()
        assert not recent._copies
        assert await recent.heeded.get()
        await kept(recent, "again")
        await other.forget(record_id, 1)
        assert await recent.told.get() == record_id

    play(backend, scenario)
