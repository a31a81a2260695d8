"""Commits whose end nobody saw, faults of server and network: a grant is heard or it is not, and never guessed."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any, TypeVar

import asyncpg
import pytest
from sqlalchemy import Connection, text

from gateway.errors import StoreUnavailable
from gateway.protocol.decisions import Decided, Decision
from gateway.protocol.model import Busy, Claim, Complete, Granted, MarkUnknown, Release, Settled, Verdict
from gateway.stores.sql.store import SqlStore
from tests.faultproxy import Direction, FaultProxy, proxying
from tests.postgres import Server, Servers, installed, on
from tests.stores.requests import ANSWER, RETENTION, claim, owner

Answer = TypeVar("Answer")

# The deadline, and what a slow machine adds to it.
SOON = 2 + 0.75


@pytest.fixture(params=installed())
def server(request: pytest.FixtureRequest, servers: Servers) -> Server:
    return servers.get(request.param)


@pytest.fixture
def url(server: Server) -> Iterator[str]:
    with server.database() as url:
        yield url


@pytest.fixture
def proxy(server: Server) -> Iterator[FaultProxy]:
    with proxying(server.port) as proxy:
        yield proxy


@pytest.fixture
def proxied(url: str, server: Server, proxy: FaultProxy) -> str:
    return url.replace(f":{server.port}/", f":{proxy.port}/")


@dataclass
class Ghost:
    """A standby that is not there; every commit waits for it."""

    server: Server

    async def appear(self) -> None:
        await asyncio.to_thread(self.server.set, synchronous_standby_names="ghost")

    async def leave(self) -> None:
        await asyncio.to_thread(self.server.set, synchronous_standby_names="")


@pytest.fixture
def ghost(server: Server) -> Iterator[Ghost]:
    ghost = Ghost(server)
    yield ghost
    asyncio.run(ghost.leave())


async def opened(url: str, seconds: float = 2) -> SqlStore:
    store = await SqlStore.open_postgres(url, deadline=timedelta(seconds=seconds))
    await store.digest_keys([None])
    return store


async def waits(observer: Any, task: "asyncio.Task[Any]", *, besides: int | None = None) -> int | None:  # noqa: ANN401
    """The process of this database that waits for a standby; ``None`` where the task ended without such a wait."""
    while not task.done():
        found = await observer.fetch(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'SyncRep'"
        )
        pids = [row["pid"] for row in found if row["pid"] != besides]
        if pids:
            return int(pids[0])
    return None


async def stuck(store: SqlStore, observer: Any) -> tuple[Claim, "asyncio.Task[Verdict]", int]:  # noqa: ANN401
    """A claim that waits for the standby, and the process that does, once the server has reread its settings."""
    for number in count():
        request = claim(f"{number}")
        task = asyncio.create_task(store.claim(request))
        pid = await waits(observer, task)
        if pid is not None:
            return request, task, pid
        await task
    raise AssertionError


async def states(observer: Any, request: Claim) -> list[tuple[int, bytes]]:  # noqa: ANN401
    found = await observer.fetch("SELECT fence, owner FROM records WHERE id = $1", request.id.digest)
    return [(row["fence"], row["owner"]) for row in found]


@pytest.mark.parametrize("blow", ["pg_terminate_backend", "pg_cancel_backend"])
def test_a_commit_that_no_standby_confirmed_is_no_licence_until_it_is_confirmed_under_the_same_owner(
    url: str, ghost: Ghost, blow: str
) -> None:
    async def scenario(observer: Any) -> None:  # noqa: ANN401 - the driver is untyped
        store = await opened(url, seconds=20)
        await ghost.appear()
        request, task, pid = await stuck(store, observer)
        assert await states(observer, request) == [], "nobody sees it while it waits"
        await observer.execute(f"SELECT {blow}({pid})")
        # The one that was told to end may take a moment to.
        again = await waits(observer, task, besides=pid)
        assert again is not None, "the claim was believed before a standby had it"
        assert await states(observer, request) == [(1, request.owner)], "and yet it was committed here"
        await ghost.leave()
        verdict = await task
        assert isinstance(verdict, Granted)
        assert (verdict.grant.fence, verdict.grant.owner) == (1, request.owner)
        assert isinstance(await store.claim(claim("0")), Busy)
        await store.close()

    with_observer(url, scenario)


def test_a_commit_that_waits_for_a_standby_is_unavailable_in_time_and_later_the_same_claim(
    url: str, ghost: Ghost
) -> None:
    async def scenario(observer: Any) -> None:  # noqa: ANN401 - the driver is untyped
        store = await opened(url)
        await ghost.appear()
        request, task, _ = await stuck(store, observer)
        begun = asyncio.get_running_loop().time()
        with pytest.raises(StoreUnavailable) as told:
            await task
        assert told.value.unsure, "the one who was told may have been granted it"
        assert asyncio.get_running_loop().time() - begun < SOON
        await ghost.leave()
        granted = await until_available(lambda: store.claim(request))
        assert isinstance(granted, Granted)
        assert await states(observer, request) == [(1, request.owner)]
        await store.close()

    with_observer(url, scenario)


def test_a_standby_that_is_gone_leaves_no_more_waiting_processes_than_the_pool_has_connections(
    url: str, ghost: Ghost
) -> None:
    async def scenario(observer: Any) -> None:  # noqa: ANN401 - the driver is untyped
        store = await opened(url, seconds=0.2)
        await ghost.appear()
        await stuck(store, observer)
        for number in range(20):
            with pytest.raises(StoreUnavailable):
                await store.claim(claim(f"another {number}"))
        waiting = await observer.fetchval("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
        assert waiting <= 6
        await ghost.leave()
        await store.close()

    with_observer(url, scenario)


@pytest.mark.parametrize("pieces", range(3))
def test_a_claim_whose_reply_is_lost_is_granted_once_under_the_same_owner(
    url: str, proxied: str, proxy: FaultProxy, pieces: int
) -> None:
    async def scenario(observer: Any) -> None:  # noqa: ANN401 - the driver is untyped
        store = await opened(proxied)
        proxy.down = Direction(resets=True, after=pieces)
        for number in range(3):
            request = claim(f"{number}")
            verdict = await store.claim(request)
            assert isinstance(verdict, Granted)
            assert await states(observer, request) == [(1, request.owner)]
        assert proxy.down == Direction(), "the reply was lost, or this test shows nothing"
        await store.close()

    with_observer(url, scenario)


@pytest.mark.parametrize("pieces", range(3))
def test_a_completion_whose_reply_is_lost_is_settled(proxied: str, proxy: FaultProxy, pieces: int) -> None:
    async def scenario() -> None:
        store = await opened(proxied)
        for number in range(3):
            verdict = await store.claim(claim(f"{number}"))
            assert isinstance(verdict, Granted)
            if number == 0:
                proxy.down = Direction(resets=True, after=pieces)
            assert isinstance(await store.settle(verdict.grant, Complete(ANSWER)), Settled)
        assert proxy.down == Direction(), "the reply was lost, or this test shows nothing"
        assert (await store.count())["completed"] == 3
        await store.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("pieces", range(3))
def test_a_decision_whose_reply_is_lost_is_the_same_one_when_it_is_repeated(
    proxied: str, proxy: FaultProxy, pieces: int
) -> None:
    async def scenario() -> None:
        store = await opened(proxied)
        verdict = await store.claim(claim("k"))
        assert isinstance(verdict, Granted)
        await store.settle(verdict.grant, MarkUnknown("reset"))
        word = Decision(verdict.grant.id, 1, owner(), Release(), RETENTION, "on-call")
        proxy.down = Direction(resets=True, after=pieces)
        decided = [await until_available(partial(store.decide, word)) for _ in range(3)]
        assert decided == [Decided(2)] * 3
        assert proxy.down == Direction(), "the reply was lost, or this test shows nothing"
        found = await store.dossier(verdict.grant.id)
        assert found is not None
        assert [event.what for event in found.history] == ["granted", "unknown", "released"]
        await store.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("size", [0, 1, 7, 60, 400])
def test_a_connection_that_is_closed_after_some_bytes_costs_nobody_a_claim(
    proxied: str, proxy: FaultProxy, size: int
) -> None:
    async def scenario() -> None:
        store = await opened(proxied)
        proxy.up = Direction(closes_after=size)
        request = claim("k")
        verdict = await store.claim(request)
        assert proxy.up == Direction(), "it was closed, or this test shows nothing"
        assert isinstance(verdict, Granted)
        assert verdict.grant.fence == 1
        await store.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("way", ["up", "down"])
def test_a_network_that_swallows_everything_is_unavailable_in_time_and_forgiven_when_it_heals(
    proxied: str, proxy: FaultProxy, way: str
) -> None:
    async def scenario() -> None:
        store = await opened(proxied)
        setattr(proxy, way, Direction(swallows=True))
        loop = asyncio.get_running_loop()
        begun = loop.time()
        asked: list[Awaitable[Any]] = [store.claim(claim(f"{number}")) for number in range(20)]
        heard = await asyncio.gather(*asked, store.ping(), store.count(), return_exceptions=True)
        assert [type(fault) for fault in heard] == [StoreUnavailable] * 22
        assert loop.time() - begun < SOON
        proxy.heal()
        later = claim("later")
        verdict = await until_available(lambda: store.claim(later))
        assert isinstance(verdict, Granted)
        await store.close()

    asyncio.run(scenario())


def test_a_slow_network_is_no_fault(proxied: str, proxy: FaultProxy) -> None:
    async def scenario() -> None:
        store = await opened(proxied)
        proxy.down = Direction(delay=0.05)
        assert isinstance(await store.claim(claim("k")), Granted)
        await store.close()

    asyncio.run(scenario())


def test_a_reader_that_is_called_off_leaves_no_half_used_connection(proxied: str, proxy: FaultProxy) -> None:
    async def scenario() -> None:
        store = await opened(proxied)
        proxy.down = Direction(swallows=True)
        reading = asyncio.create_task(store.count())
        await asyncio.sleep(0.1)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        proxy.heal()
        before = proxy.accepted
        assert (await store.count())["in-flight"] == 0
        assert proxy.accepted == before + 1, "a new connection, not the one in the middle of an answer"
        await store.close()

    asyncio.run(scenario())


def test_a_server_that_stops_is_unavailable_in_time_and_used_again_when_it_is_back(server: Server, url: str) -> None:
    async def scenario() -> None:
        store = await opened(url)
        granted = await store.claim(claim("k"))
        assert isinstance(granted, Granted)
        await asyncio.to_thread(server.stop, "immediate")
        try:
            loop = asyncio.get_running_loop()
            begun = loop.time()
            asked: list[Awaitable[Any]] = [store.claim(claim("new")), store.settle(granted.grant, Complete(ANSWER))]
            heard = await asyncio.gather(*asked, store.ping(), store.look(granted.grant.id), return_exceptions=True)
            assert [type(fault) for fault in heard] == [StoreUnavailable] * 4
            assert loop.time() - begun < SOON
        finally:
            await asyncio.to_thread(server.start)
        new = claim("new")
        assert isinstance(await until_available(lambda: store.claim(new)), Granted)
        assert isinstance(await store.settle(granted.grant, Complete(ANSWER)), Settled)
        await store.close()

    asyncio.run(scenario())


def test_a_server_without_a_free_connection_is_unavailable_in_time(server: Server, url: str) -> None:
    async def scenario(observer: Any) -> None:  # noqa: ANN401 - the driver is untyped
        store = await opened(url)
        async with AsyncExitStack() as taken:
            try:
                for _ in range(200):
                    other = await asyncpg.connect(server.url())
                    taken.push_async_callback(other.close)
            except asyncpg.TooManyConnectionsError:
                pass
            await observer.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            taken.push_async_callback((await until_connected(server)).close)
            begun = asyncio.get_running_loop().time()
            await until_refused(store)
            once = claim("k")
            with pytest.raises(StoreUnavailable) as told:
                await store.claim(once)
            assert not told.value.unsure, "what reached no server was granted by none"
            assert asyncio.get_running_loop().time() - begun < SOON
        assert isinstance(await until_available(lambda: store.claim(once)), Granted)
        await store.close()

    with_observer(url, scenario)


async def until_refused(store: SqlStore) -> None:
    """When the store is told that no connection is free. Before, it may learn that those which it had were ended."""
    said = ""
    while "too many clients" not in said:
        with pytest.raises(StoreUnavailable) as told:
            await store.ping()
        said = str(told.value)


async def until_connected(server: Server) -> Any:  # noqa: ANN401 - the driver is untyped
    while True:
        try:
            return await asyncpg.connect(server.url())
        except asyncpg.TooManyConnectionsError:
            continue


async def until_available(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """The answer when the store can give one again, within ten seconds."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await ask()
            except StoreUnavailable:
                continue


def with_observer(url: str, scenario: Callable[[Any], Awaitable[None]]) -> None:
    """Runs a scenario beside somebody who looks at the same database."""
    asyncio.run(on(url, scenario))


def test_a_batch_of_many_statements_may_take_longer_than_one_may_be_silent(proxied: str, proxy: FaultProxy) -> None:
    async def scenario() -> None:
        store = await opened(proxied, seconds=0.4)
        database = store._database
        proxy.down = Direction(delay=0.03)

        def many(connection: Connection) -> list[int]:
            return [connection.execute(text("SELECT 1")).scalar_one() for _ in range(10)]

        assert await database.read(many) == [1] * 10
        await store.close()

    asyncio.run(scenario())
