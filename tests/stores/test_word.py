"""Word of a settlement crosses from the process that settled to those that wait, and costs the others nothing."""

import asyncio
import statistics
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg
import pytest
import redis.asyncio

from gateway.ports import Store
from gateway.protocol.decisions import Decided, Decision
from gateway.protocol.model import Busy, Complete, Granted, Release, Replay, Settled, Verdict
from gateway.stores.sql.store import SqlStore
from gateway.stores.sql.waiting import CHANNEL
from gateway.stores.watching import POLL
from tests.postgres import Server, Servers, installed, on
from tests.redis_servers import shared
from tests.stores.backends import Backend, PostgresBackend, RedisBackend, TieredServers
from tests.stores.requests import ANSWER, RETENTION, claim, owner, record_id

# Word is there in some milliseconds, a look on average in half a second. So many rounds tell one from the other.
ROUNDS = 9


@asynccontextmanager
async def two(backend: Backend) -> AsyncGenerator[tuple[Store, Store]]:
    """Stores as two gateways have them."""
    async with AsyncExitStack() as stack:
        stores = [await backend.open() for _ in range(2)]
        for store in stores:
            stack.push_async_callback(store.close)
        yield stores[0], stores[1]


def run(backend: Backend, scenario: Callable[[Store, Store], Awaitable[None]]) -> None:
    async def scene() -> None:
        async with asyncio.timeout(60), two(backend) as (one, other):
            await scenario(one, other)

    asyncio.run(scene())


async def waiter(store: Store, key: str) -> asyncio.Task[tuple[Verdict, float]]:
    """A call of ``key`` that waits in ``store`` by now: what it hears, and when."""
    watching = asyncio.Event()
    waiting = asyncio.create_task(_until_judged(store, key, watching))
    await watching.wait()
    return waiting


async def _until_judged(store: Store, key: str, watching: asyncio.Event) -> tuple[Verdict, float]:
    watch = await store.watch(record_id(key))
    watching.set()
    verdict = await store.claim(claim(key))
    while isinstance(verdict, Busy):
        await watch.changed(30)
        verdict = await store.claim(claim(key))
    watch.close()
    return verdict, asyncio.get_running_loop().time()


async def delay(one: Store, other: Store, key: str) -> float:
    """Seconds from a settlement in one store to those who wait in the other."""
    granted = await one.claim(claim(key))
    assert isinstance(granted, Granted)
    waiting = await asyncio.gather(*(waiter(other, key) for _ in range(5)))
    assert isinstance(await one.settle(granted.grant, Complete(ANSWER)), Settled)
    settled = asyncio.get_running_loop().time()
    heard = await asyncio.gather(*waiting)
    assert {type(verdict) for verdict, _ in heard} == {Replay}
    return max(when for _, when in heard) - settled


class Words:
    """The laws of word, whatever carries it."""

    def test_those_who_wait_in_another_process_hear_of_a_settlement_at_once(self, backend: Backend) -> None:
        async def scenario(one: Store, other: Store) -> None:
            delays = [await delay(one, other, f"key {number}") for number in range(ROUNDS)]
            assert statistics.median(delays) < POLL / 4, delays

        run(backend, scenario)

    def test_those_who_wait_hear_of_each_grant_that_follows_a_release(self, backend: Backend) -> None:
        async def scenario(one: Store, other: Store) -> None:
            delays: list[float] = []
            for _ in range(ROUNDS):
                granted = await one.claim(claim("k"))
                assert isinstance(granted, Granted)
                waiting = await waiter(other, "k")
                await one.settle(granted.grant, Release())
                settled = asyncio.get_running_loop().time()
                verdict, when = await waiting
                assert isinstance(verdict, Granted)
                await other.settle(verdict.grant, Release())
                delays.append(when - settled)
            assert statistics.median(delays) < POLL / 4, delays

        run(backend, scenario)


class TestPostgres(Words):
    @pytest.fixture(params=installed())
    def server(self, request: pytest.FixtureRequest, servers: Servers) -> Server:
        return servers.get(request.param)

    @pytest.fixture
    def url(self, server: Server) -> Iterator[str]:
        with server.database() as url:
            yield url

    @pytest.fixture
    def backend(self, server: Server, url: str) -> Backend:
        return PostgresBackend(server, url)

    def test_those_who_wait_hear_of_a_decision(self, backend: Backend, url: str) -> None:
        async def scenario(one: Store, other: Store) -> None:
            assert isinstance(one, SqlStore)
            told = asyncio.Queue[str]()
            observer = await asyncpg.connect(url)
            await observer.add_listener(CHANNEL, lambda *words: told.put_nowait(words[-1]))
            granted = await one.claim(claim("k"))
            assert isinstance(granted, Granted)
            watch = await other.watch(granted.grant.id)
            await asyncio.to_thread(backend.age, granted.grant.id, 60)
            word = Decision(granted.grant.id, 1, owner(), Release(), RETENTION, "on-call")
            assert await one.decide(word) == Decided(2)
            assert await told.get() == granted.grant.id.digest.hex()
            watch.close()
            await observer.close()

        run(backend, scenario)

    def test_a_settlement_that_nobody_waits_for_is_told_to_nobody(self, backend: Backend, url: str) -> None:
        async def scenario(one: Store, other: Store) -> None:
            told: list[str] = []
            observer = await asyncpg.connect(url)
            await observer.add_listener(CHANNEL, lambda *words: told.append(words[-1]))
            for number in range(20):
                granted = await one.claim(claim(f"{number}"))
                assert isinstance(granted, Granted)
                await one.settle(granted.grant, Complete(ANSWER))
            await delay(one, other, "waited for")
            # Notifications come in the order of their commits: had there been others, they would be here before it.
            while record_id("waited for").digest.hex() not in told:
                await observer.fetchval("SELECT 1")
            assert told == [record_id("waited for").digest.hex()]
            await observer.close()

        run(backend, scenario)

    def test_a_record_is_marked_once_however_many_wait_for_it(self, backend: Backend, url: str) -> None:
        async def scenario(one: Store, other: Store) -> None:
            granted = await one.claim(claim("k"))
            assert isinstance(granted, Granted)
            unmarked = await on(url, _place)
            watches = [await one.watch(record_id("k"))]
            marked = await on(url, _place)
            assert marked != unmarked
            watches += [await store.watch(record_id("k")) for store in (one, other) for _ in range(10)]
            assert await on(url, _place) == marked
            for watch in watches:
                watch.close()

        run(backend, scenario)

    def test_without_the_connection_that_listens_a_look_finds_the_settlement(self, backend: Backend, url: str) -> None:
        async def scenario(one: Store, other: Store) -> None:
            await delay(one, other, "before")
            granted = await one.claim(claim("k"))
            assert isinstance(granted, Granted)
            waiting = await waiter(other, "k")
            assert await on(url, _end_listeners) == 1
            await one.settle(granted.grant, Complete(ANSWER))
            verdict, _ = await waiting
            assert isinstance(verdict, Replay)
            delays = [await delay(one, other, f"after {number}") for number in range(ROUNDS)]
            assert statistics.median(delays) < POLL / 4, "who waits next listens again"

        run(backend, scenario)


async def _place(connection: Any) -> str:  # noqa: ANN401 - the driver is untyped
    """Where the one row lies; each writing puts it elsewhere."""
    place: str = await connection.fetchval("SELECT ctid::text FROM records")
    return place


async def _end_listeners(connection: Any) -> int:  # noqa: ANN401 - the driver is untyped
    ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
    listeners: int = await connection.fetchval(ended)
    return listeners


class TestTiered(Words):
    """A hint in front that outlives its call keeps nobody waiting who has word of its end."""

    @pytest.fixture
    def backend(self, servers: Servers) -> Iterator[Backend]:
        server = servers.get()
        with server.database() as url:
            redis = shared("valkey")
            yield TieredServers(PostgresBackend(server, url), redis, redis.url)


class TestRedis(Words):
    def test_nobody_listens_any_more_when_nobody_waits(self, backend: RedisBackend) -> None:
        async def scenario(one: Store, other: Store) -> None:
            await delay(one, other, "k")
            asked = redis.asyncio.Redis.from_url(backend.server.url)
            while await asked.pubsub_channels():
                continue
            await asked.aclose()

        run(backend, scenario)

    def test_without_the_connection_that_listens_a_look_finds_the_settlement(self, backend: RedisBackend) -> None:
        async def scenario(one: Store, other: Store) -> None:
            granted = await one.claim(claim("k"))
            assert isinstance(granted, Granted)
            waiting = await waiter(other, "k")
            assert backend.server.ask.client_kill_filter(_type="pubsub") == 1
            await one.settle(granted.grant, Complete(ANSWER))
            verdict, _ = await waiting
            assert isinstance(verdict, Replay)
            delays = [await delay(one, other, f"after {number}") for number in range(ROUNDS)]
            assert statistics.median(delays) < POLL / 4, "who waits next listens again"

        run(backend, scenario)

    def test_a_user_who_may_not_publish_or_subscribe_still_claims_settles_and_waits(
        self, backend: RedisBackend
    ) -> None:
        backend.server.ask.acl_setuser("bench", enabled=True, channels=[], reset_channels=True)

        async def scenario(one: Store, other: Store) -> None:
            assert await delay(one, other, "k") < 3 * POLL

        run(backend, scenario)
