"""Laws of what people see of a Redis: short runs on the server, bounded pages, places that die with their records."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.errors import RecordUnreadable
from gateway.protocol.dossier import Cursor, Entry, Query, State
from gateway.protocol.model import Complete, Granted, MarkUnknown, RecordId, Release
from gateway.stores.redis import layout, listing, scripts
from gateway.stores.redis.layout import key_of
from gateway.stores.redis.line import Reply, Word
from gateway.stores.redis.store import RedisStore
from tests.redis_servers import RedisServer
from tests.stores.backends import SEALER, Bench, RedisBackend
from tests.stores.redis_aging import rewind
from tests.stores.registry import dossier, every_page, told, unknown
from tests.stores.requests import ANSWER, claim, record_id
from tests.stores.zoo import EVERYTHING, LIVING


@pytest.fixture
def bench(server: RedisServer) -> Iterator[Bench]:
    with Bench(RedisBackend(server, SEALER)) as bench:
        yield bench


def store_of(bench: Bench) -> RedisStore:
    assert isinstance(bench.store, RedisStore)
    return bench.store


class Counted:
    """How the store is asked, and how many records a run of the list's script gave."""

    def __init__(self, bench: Bench) -> None:
        self._ask = store_of(bench)._lines.ask
        self.runs: list[int] = []

    async def __call__(self, *words: Word) -> Reply:
        answer = await self._ask(*words)
        if scripts.PAGE.sha in words:
            self.runs.append(len(answer) // 3)
        return answer


def claim_many(bench: Bench, count: int, route: str = "api", *, prefix: str = "k") -> None:
    claims = [replace(claim(f"{prefix}{number}"), route=route) for number in range(count)]
    assert all(isinstance(verdict, Granted) for verdict in bench.claim_at_once(claims))


def ids(entries: list[Entry]) -> list[bytes]:
    return [entry.id.digest for entry in entries]


@pytest.mark.parametrize(
    "query",
    [Query(), Query(state=State.IN_FLIGHT), Query(state=State.UNKNOWN), Query(ids=frozenset({record_id("shared")}))],
    ids=["everything", "in flight", "unknown", "by key"],
)
def test_a_page_costs_one_trip_and_looks_at_no_more_than_it_shows_and_one(bench: Bench, query: Query) -> None:
    claim_many(bench, 120, prefix="held ")
    for number in range(12):
        unknown(bench, f"unknown {number}", key_id=record_id("shared"))
    asks = Counted(bench)
    page = bench.run(listing.page(asks, replace(query, limit=10)))
    assert len(page.entries) == 10
    assert page.next is not None
    assert asks.runs == [11]


def test_what_a_route_leaves_out_is_looked_at_in_short_runs(bench: Bench) -> None:
    claim_many(bench, 1, "sms", prefix="old")
    bench.age(record_id("old0"), 5)
    claim_many(bench, 450)
    asks = Counted(bench)
    page = bench.run(listing.page(asks, Query(route="sms", limit=10)))
    assert [entry.id for entry in page.entries] == [record_id("old0")]
    assert page.next is None
    assert max(asks.runs) <= 200
    assert sum(asks.runs) == 451


def test_a_page_of_a_rare_kind_ends_early_with_the_place_to_go_on_from(bench: Bench) -> None:
    claim_many(bench, 300)
    claim_many(bench, 1, "sms", prefix="old")
    bench.age(record_id("old0"), 5)
    query, trips, found = Query(route="sms", limit=10), 0, list[Entry]()
    while True:
        page = bench.run(listing.page(store_of(bench)._lines.ask, query, most=100))
        trips, found = trips + 1, [*found, *page.entries]
        if page.next is None:
            break
        query = replace(query, after=page.next)
    assert [entry.id for entry in found] == [record_id("old0")]
    assert trips > 1


def test_records_of_one_moment_are_listed_once_each_by_their_ids(bench: Bench, server: RedisServer) -> None:
    claim_many(bench, 40)
    entries = every_page(bench, Query(limit=50))
    newest = entries[0].created_at
    for entry in entries:
        rewind(server.ask, entry.id, (entry.created_at - newest) // timedelta(milliseconds=1))
    listed = every_page(bench, Query(limit=7))
    assert {entry.created_at for entry in listed} == {newest}
    assert ids(listed) == sorted(ids(entries), reverse=True)


@pytest.mark.parametrize(("place", "older"), [(b"", 0), (b"\xff" * 33, 1)], ids=["shortest", "longest"])
def test_a_place_that_is_no_records_is_a_place_all_the_same(bench: Bench, place: bytes, older: int) -> None:
    claim_many(bench, 1)
    (entry,) = every_page(bench, Query())
    query = Query(after=Cursor(entry.created_at, RecordId(place)))
    assert len(every_page(bench, query)) == older


def test_leases_that_are_over_are_listed_as_unknown_however_long_no_sweep_came(bench: Bench) -> None:
    claim_many(bench, 250)
    for number in range(0, 250, 2):
        bench.age(record_id(f"k{number}"), 60)
    for lapsed in (125, 250):
        assert len(every_page(bench, Query(state=State.UNKNOWN, limit=30))) == lapsed
        assert len(every_page(bench, Query(state=State.IN_FLIGHT, limit=30))) == 250 - lapsed
        for number in range(1, 250, 2):
            bench.age(record_id(f"k{number}"), 60)


def test_of_very_many_open_calls_about_so_many_are_told(bench: Bench) -> None:
    claim_many(bench, 1500)
    claim_many(bench, 500, "sms", prefix="s")
    bench.age(record_id("k0"), 10)
    found = {each.route: each for each in bench.run(store_of(bench).open_calls())}
    assert found["api"].count + found["sms"].count == pytest.approx(2000, abs=2)
    assert found["sms"].count == pytest.approx(500, abs=150)
    assert timedelta(seconds=10) <= found["api"].oldest < timedelta(seconds=50)


def test_a_damaged_record_stands_in_no_lists_way_and_a_damaged_answer_is_shown_without(
    bench: Bench, server: RedisServer
) -> None:
    for key in ("a", "b", "c"):
        bench.completed(claim(key), ANSWER)
    for key, cut in (("a", layout._PLAIN), ("b", -1)):
        text = server.ask.get(key_of(record_id(key)))
        assert isinstance(text, bytes)
        server.ask.set(key_of(record_id(key)), text[:cut])
    assert set(ids(every_page(bench, Query(limit=1)))) == {record_id("b").digest, record_id("c").digest}
    assert dossier(bench, record_id("c")).status == 201
    shown = dossier(bench, record_id("b"))
    assert (shown.entry.state, shown.status, shown.size) == (State.COMPLETED, None, None)
    with pytest.raises(RecordUnreadable):
        dossier(bench, record_id("a"))


def test_an_ordinary_call_writes_no_history_and_has_one_to_its_end(bench: Bench, server: RedisServer) -> None:
    grant = bench.completed(claim("k"), ANSWER)
    expected = ["granted 1 by gateway", "completed 1 by gateway"]
    assert told(dossier(bench, grant.id).history) == expected
    bench.age(grant.id, 101)
    for _ in range(2):
        shown = dossier(bench, grant.id)
        assert told(shown.history) == [*expected, "expired 1 by time"]
        assert shown.entry.since - shown.history[1].at == timedelta(seconds=100)
        bench.sweep()
    text = server.ask.get(key_of(grant.id))
    assert isinstance(text, bytes)
    assert layout.parts_of(grant.id, text).history == b""


def test_what_people_said_is_kept_whole_or_cut_and_never_breaks_a_record(bench: Bench) -> None:
    grant = unknown(bench)
    bench.run(bench.store.forget(grant.id, 1, "ä" * 200, "ö" * 300))
    last = dossier(bench, grant.id).history[-1]
    assert (last.by, last.note) == ("ä" * 127, "ö" * 200)


def test_every_place_of_a_record_dies_with_it(bench: Bench, server: RedisServer) -> None:
    makers = {"released": LIVING["released"], "completed": LIVING["completed"]}
    for name, maker in makers.items():
        bench.age(maker(bench, name).id, 1110)
    for name in ("in flight", "unknown", "freed"):
        grant = bench.granted(replace(claim(name), route="api", key_id=record_id("shared"), values=b"v"))
        if name == "unknown":
            bench.settle(grant, MarkUnknown("reset"))
        elif name == "freed":
            bench.settle(grant, Release())
        bench.age(grant.id, 1600)
    bench.sweep()
    assert set(server.ask.scan_iter("ig:*")) == {b"ig:role", b"ig:digest-key"}


def test_every_record_stands_in_the_places_of_its_state_alone(bench: Bench, server: RedisServer) -> None:
    for name, maker in EVERYTHING.items():
        maker(bench, name)
    for sweeps in (False, True):
        if sweeps:
            bench.sweep()
        records = sum(len(key) == len(key_of(record_id("k"))) for key in server.ask.scan_iter("ig:*"))
        sizes = {name: server.ask.zcard(name) for name in server.ask.scan_iter("ig:*", _type="zset")}
        by_turn = sum(size for name, size in sizes.items() if not name.endswith(b":made"))
        assert by_turn == sum(sizes.values()) - by_turn == records


def test_two_stores_page_through_what_both_write(server: RedisServer) -> None:
    async def both() -> tuple[set[bytes], int]:
        one, other = await RedisStore.open(server.url), await RedisStore.open(server.url)
        for store in (one, other):
            await store.digest_keys([None])
        for number in range(20):
            verdict = await (one if number % 2 else other).claim(claim(f"{number}"))
            assert isinstance(verdict, Granted)
            await one.settle(verdict.grant, Complete(ANSWER))
        first = await one.page(Query(limit=12))
        second = await other.page(Query(limit=12, after=first.next))
        for store in (one, other):
            await store.close()
        return {*ids([*first.entries, *second.entries])}, len(first.entries) + len(second.entries)

    assert asyncio.run(both()) == ({record_id(f"{number}").digest for number in range(20)}, 20)
