"""Laws of decisions and of a reconciler's work in a Redis: lost replies, races, full memory, values that are gone."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.errors import StoreUnavailable
from gateway.protocol.decisions import Decided
from gateway.protocol.dossier import State
from gateway.protocol.inquiries import Asked
from gateway.protocol.model import (
    Busy,
    Complete,
    Grant,
    Granted,
    MarkUnknown,
    Moved,
    RecordId,
    Release,
    Replay,
    Settled,
    Undecided,
)
from gateway.stores.redis import layout, scripts
from gateway.stores.redis.layout import key_of
from gateway.stores.redis.store import RedisStore
from gateway.stores.sealing import Sealer
from tests.faultproxy import FaultProxy
from tests.redis_servers import RedisServer
from tests.stores.backends import SEALER, Bench, RedisBackend
from tests.stores.registry import decision, dossier, due, records, unknown
from tests.stores.requests import ANSWER, claim, record_id

SECOND = timedelta(seconds=1)


@pytest.fixture
def bench(server: RedisServer) -> Iterator[Bench]:
    with Bench(RedisBackend(server, SEALER)) as bench:
        yield bench


@pytest.fixture
def full(server: RedisServer) -> Iterator[Callable[[], None]]:
    """Leaves the server no memory."""

    def fill() -> None:
        server.ask.config_set("maxmemory", "1")

    yield fill
    server.ask.config_set("maxmemory", "0")


def asked(bench: Bench, key: str = "k") -> Grant:
    return bench.granted(replace(claim(key), route="api", values=b"canary"))


def work_of(server: RedisServer, key: str = "k") -> bytes:
    """What lies in the record for a reconciler."""
    text = server.ask.get(key_of(record_id(key)))
    assert isinstance(text, bytes)
    rest = layout.parts_of(record_id(key), text).rest
    return rest[8 + layout._WORK.size :] if text[1:2] in b"fF" else rest[1 + rest[0] + layout._WORK.size :]


# Decisions


def test_a_decision_is_two_trips(proxy: FaultProxy) -> None:
    async def decide() -> int:
        store = await RedisStore.open(f"redis://127.0.0.1:{proxy.port}", deadline=timedelta(seconds=5))
        await store.digest_keys([None])
        verdict = await store.claim(claim("k"))
        assert isinstance(verdict, Granted)
        await store.settle(verdict.grant, MarkUnknown("reset"))
        before = proxy.count(b"EVALSHA")
        assert await store.decide(decision(verdict.grant, Release())) == Decided(2)
        trips = proxy.count(b"EVALSHA") - before
        await store.close()
        return trips

    assert asyncio.run(decide()) == 2


@pytest.mark.parametrize("word", [Complete(ANSWER), Release()])
def test_a_decision_whose_reply_is_lost_holds_and_is_heard_when_it_is_asked_again(
    proxy: FaultProxy, word: Complete | Release
) -> None:
    async def decide() -> None:
        store = await RedisStore.open(f"redis://127.0.0.1:{proxy.port}", deadline=timedelta(seconds=5))
        await store.digest_keys([None])
        verdict = await store.claim(claim("k"))
        assert isinstance(verdict, Granted)
        await store.settle(verdict.grant, MarkUnknown("reset"))
        first = decision(verdict.grant, word)
        proxy.drops_reply_to = (scripts.FREE if isinstance(word, Release) else scripts.SETTLE).sha
        decided = await store.decide(first)
        assert isinstance(decided, Decided)
        assert await store.decide(first) == decided
        shown = await store.dossier(verdict.grant.id)
        assert shown is not None
        assert sum(event.by == "on-call" for event in shown.history) == 1
        await store.close()

    asyncio.run(decide())
    assert proxy.dropped == 1


def test_of_a_late_answer_and_decisions_at_once_exactly_one_takes_effect(bench: Bench) -> None:
    for number in range(20):
        grant = unknown(bench, f"{number}")

        async def at_once() -> list[Settled | Moved | Decided | Busy]:
            words: list[Complete | Release] = [Release(), Complete(replace(ANSWER, body=b"decided")), Release()]
            said: list[Awaitable[Settled | Moved | Decided | Busy]] = [
                bench.store.settle(grant, Complete(ANSWER)),  # noqa: B023 - awaited in this round
                *(records(bench).decide(decision(grant, word)) for word in words),  # noqa: B023
            ]
            return await asyncio.gather(*(said if number % 2 else reversed(said)))  # noqa: B023

        heard = bench.run(at_once())
        assert sum(isinstance(each, Settled | Decided) for each in heard) == 1
        assert sum(each == Moved() for each in heard) == 3


def test_whoever_waits_in_another_process_has_word_of_a_decision(server: RedisServer) -> None:
    async def wait() -> None:
        here, there = [await RedisStore.open(server.url) for _ in range(2)]
        for store in (here, there):
            await store.digest_keys([None])
        verdict = await here.claim(claim("k"))
        assert isinstance(verdict, Granted)
        await here.settle(verdict.grant, MarkUnknown("reset"))
        watch = await there.watch(verdict.grant.id)
        # What was told of the subscription itself is heard first.
        await watch.changed(0.5)
        waiting = asyncio.create_task(watch.changed(20))
        await here.decide(decision(verdict.grant, Complete(ANSWER)))
        await asyncio.wait_for(waiting, 20)
        assert isinstance(await there.claim(claim("k")), Replay)
        watch.close()
        for store in (here, there):
            await store.close()

    asyncio.run(wait())


def test_a_full_redis_still_lets_go_what_frees_memory_and_takes_no_answer(
    bench: Bench, full: Callable[[], None]
) -> None:
    freed, answered, forgotten, held = (asked(bench, key) for key in ("freed", "answered", "forgotten", "held"))
    for grant in (freed, answered, forgotten):
        bench.settle(grant, MarkUnknown("reset"))
    bench.age(answered.id, 5)
    full()
    taken = due(bench, limit=1)
    assert [inquiry.id for inquiry in taken] == [answered.id]
    assert bench.run(records(bench).asked(taken[0], Asked(0, SECOND))) is True
    with pytest.raises(StoreUnavailable, match="no memory left"):
        bench.run(records(bench).decide(decision(answered, Complete(ANSWER))))
    assert bench.run(records(bench).decide(decision(freed, Release()))) == Decided(2)
    bench.forget(forgotten.id, 1)
    assert bench.settle(held, Release()) == Settled()
    states = [dossier(bench, grant.id).entry.state for grant in (freed, answered, forgotten, held)]
    assert states == [State.RELEASED, State.UNKNOWN, State.EXPIRED, State.RELEASED]


# A reconciler's work


def _completed(bench: Bench, grant: Grant) -> None:
    bench.settle(grant, Complete(ANSWER))


def _released(bench: Bench, grant: Grant) -> None:
    bench.settle(grant, Release())


def _decided(bench: Bench, grant: Grant) -> None:
    bench.settle(grant, MarkUnknown("reset"))
    bench.run(records(bench).decide(decision(grant, Release())))


def _forgotten(bench: Bench, grant: Grant) -> None:
    bench.settle(grant, MarkUnknown("reset"))
    bench.forget(grant.id, 1)


def _expired(bench: Bench, grant: Grant) -> None:
    bench.age(grant.id, 560)
    bench.sweep()


@pytest.mark.parametrize("end", [_completed, _released, _decided, _forgotten, _expired])
def test_q4_values_lie_sealed_and_are_gone_with_the_question(
    bench: Bench, server: RedisServer, end: Callable[[Bench, Grant], None]
) -> None:
    grant = asked(bench)
    sealed = work_of(server)
    assert sealed
    assert b"canary" not in sealed
    assert server.ask.zcard("ig:asks:api") == 1
    end(bench, grant)
    text = server.ask.get(key_of(grant.id))
    assert isinstance(text, bytes)
    assert sealed[20:] not in text
    assert server.ask.exists("ig:asks:api") == 0
    assert due(bench) == []


def test_q1_forty_workers_on_two_stores_share_the_work_and_none_of_it_twice(server: RedisServer) -> None:
    async def work() -> list[bytes]:
        stores = [await RedisStore.open(server.url, sealer=SEALER) for _ in range(2)]
        for store in stores:
            await store.digest_keys([None])
        for number in range(30):
            verdict = await stores[0].claim(replace(claim(f"{number}"), route="api", values=b"v"))
            assert isinstance(verdict, Granted)
            await stores[0].settle(verdict.grant, MarkUnknown("reset"))
        takings = [store.due(["api"], timedelta(seconds=60), 3) for store in stores for _ in range(20)]
        taken = await asyncio.gather(*takings)
        for store in stores:
            await store.close()
        return [inquiry.id.digest for each in taken for inquiry in each]

    assert sorted(asyncio.run(work())) == sorted(record_id(f"{number}").digest for number in range(30))


def test_q2_an_asking_whose_reply_is_lost_is_noted_once(proxy: FaultProxy) -> None:
    async def ask() -> None:
        url = f"redis://127.0.0.1:{proxy.port}"
        store = await RedisStore.open(url, sealer=SEALER, deadline=timedelta(seconds=5))
        await store.digest_keys([None])
        verdict = await store.claim(replace(claim("k"), route="api", values=b"v"))
        assert isinstance(verdict, Granted)
        await store.settle(verdict.grant, MarkUnknown("reset"))
        (inquiry,) = await store.due(["api"], timedelta(seconds=60), 1)
        proxy.drops_reply_to = b"EVALSHA"
        assert await store.asked(inquiry, Asked(1, timedelta(seconds=60))) is True
        shown = await store.dossier(verdict.grant.id)
        assert shown is not None
        assert shown.entry.asks == 1
        await store.close()

    asyncio.run(ask())
    assert proxy.dropped == 1


def test_values_under_a_key_that_is_gone_are_put_off_and_stand_in_nobodys_way(
    bench: Bench, server: RedisServer
) -> None:
    bench.settle(asked(bench, "old"), MarkUnknown("reset"))
    bench.age(record_id("old"), 5)
    with Bench(_Rotated(bench.backend)) as rotated:
        rotated.settle(asked(rotated, "new"), MarkUnknown("reset"))
        assert [inquiry.id for inquiry in due(rotated)] == [record_id("new")]
        heard = rotated.claim(claim("old"))
        assert isinstance(heard, Undecided)
        assert heard.asks_in


class _Rotated:
    """The same Redis, opened with another key."""

    def __init__(self, backend: object) -> None:
        assert isinstance(backend, RedisBackend)
        self._backend = backend

    async def open(self) -> RedisStore:
        store = await RedisStore.open(self._backend.url, sealer=Sealer([b"another key of the tests"]))
        await store.digest_keys([None])
        return store

    def age(self, record_id: RecordId, seconds: float) -> None:
        self._backend.age(record_id, seconds)

    def sever(self) -> None:
        self._backend.sever()


def test_a_route_that_was_renamed_takes_its_work_along(bench: Bench, server: RedisServer) -> None:
    bench.settle(asked(bench), MarkUnknown("reset"))
    again = bench.granted(replace(claim("k", takeover=400), route="renamed", values=b"w"))
    bench.settle(again, MarkUnknown("reset"))
    assert due(bench, "api") == []
    assert [inquiry.values for inquiry in due(bench, "renamed")] == [b"w"]
    assert server.ask.exists("ig:asks:api") == 0


def test_an_index_of_work_that_does_not_tell_the_truth_is_mended(bench: Bench, server: RedisServer) -> None:
    grant = asked(bench)
    server.ask.zadd("ig:asks:api", {grant.id.digest: 1, b"nothing of that name": 1})
    assert due(bench) == []
    assert server.ask.zrange("ig:asks:api", 0, -1) == [grant.id.digest]
    bench.age(grant.id, 60)
    assert [inquiry.id for inquiry in due(bench)] == [grant.id]
