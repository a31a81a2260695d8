"""What the SQL store keeps for people and reconcilers, beyond the laws of all stores: where it lies, what it costs."""

import asyncio
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import pytest
from sqlalchemy import event

from gateway.errors import StoreUnfit
from gateway.protocol.decisions import Decided, Decision
from gateway.protocol.dossier import Query, State
from gateway.protocol.inquiries import Asked, Inquiry
from gateway.protocol.model import (
    Claim,
    Complete,
    Expired,
    Forgotten,
    Granted,
    MarkUnknown,
    Moved,
    RecordId,
    Release,
    Settled,
)
from gateway.stores.sealing import Sealer
from gateway.stores.sql import counting, paging
from gateway.stores.sql.sqlite import SqliteDatabase
from gateway.stores.sql.store import SqlStore
from tests.postgres import Servers
from tests.stores.backends import SEALER, Backend, Bench, PostgresBackend, SqliteBackend
from tests.stores.registry import decision, dossier, due, told, unknown
from tests.stores.requests import ANSWER, RETENTION, claim, owner, record_id

CANARY = b"canary value"


class Place(Protocol):
    """A database, and somebody who looks into it."""

    def backend(self, sealer: Sealer | None = SEALER) -> Backend: ...

    def rows(self, sql: str) -> Sequence[Any]: ...


class FilePlace:
    def __init__(self, path: Path) -> None:
        self.path = path

    def backend(self, sealer: Sealer | None = SEALER) -> Backend:
        return SqliteBackend(self.path, sealer)

    def rows(self, sql: str) -> Sequence[Any]:
        with closing(sqlite3.connect(self.path, isolation_level=None, timeout=5)) as connection:
            return connection.execute(sql).fetchall()


class ServerPlace:
    def __init__(self, backend: PostgresBackend) -> None:
        self._backend = backend

    def backend(self, sealer: Sealer | None = SEALER) -> Backend:
        return PostgresBackend(self._backend.server, self._backend.url, sealer)

    def rows(self, sql: str) -> Sequence[Any]:
        return [tuple(row) for row in self._backend.server.execute(sql, url=self._backend.url)]


@pytest.fixture(params=["sqlite", "postgres-18"])
def place(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Iterator[Place]:
    if request.param == "sqlite":
        yield FilePlace(tmp_path / "store.db")
        return
    server = servers.get(request.param)
    with server.database() as url:
        yield ServerPlace(PostgresBackend(server, url))


@pytest.fixture
def bench(place: Place) -> Iterator[Bench]:
    with Bench(place.backend()) as bench:
        yield bench


def store_of(bench: Bench) -> SqlStore:
    assert isinstance(bench.store, SqlStore)
    return bench.store


def asking(key: str, route: str = "api") -> Claim:
    return replace(claim(key), route=route, values=CANARY)


# Values


def test_q4_values_lie_sealed_while_a_call_is_open_and_are_gone_with_that(place: Place, bench: Bench) -> None:
    store = store_of(bench)
    grants = {key: bench.granted(asking(key)) for key in ("open", "done", "free", "decided", "forgotten", "old")}
    for key in ("decided", "forgotten", "old"):
        bench.settle(grants[key], MarkUnknown("reset"))
    values = [bytes(row[0]) for row in place.rows("SELECT asks_with FROM records")]
    assert len(values) == 6
    assert all(each and CANARY not in each for each in values)
    bench.settle(grants["done"], Complete(ANSWER))
    bench.settle(grants["free"], Release())
    assert isinstance(bench.run(store.decide(decision(grants["decided"], Release()))), Decided)
    assert isinstance(bench.forget(grants["forgotten"].id, 1), Forgotten)
    bench.age(grants["old"].id, 510)
    bench.sweep()
    kept = place.rows("SELECT id FROM records WHERE asks_with IS NOT NULL OR asks_at IS NOT NULL OR taken IS NOT NULL")
    assert [bytes(row[0]) for row in kept] == [grants["open"].id.digest]


def test_q4_a_claim_that_leaves_values_is_refused_where_nothing_seals_them(place: Place) -> None:
    with Bench(place.backend(None)) as bench:
        with pytest.raises(StoreUnfit, match=r"configure encryption\.keys"):
            bench.claim(asking("k"))
        assert bench.look(record_id("k")) is None
        assert isinstance(bench.claim(claim("k")), Granted)


def test_values_that_do_not_open_keep_no_others_from_being_asked_about(place: Place, bench: Bench) -> None:
    for key in ("moved", "whole"):
        bench.settle(bench.granted(asking(key)), MarkUnknown("reset"))
    place.rows("UPDATE records SET fence = 2, asks_at = asks_at - 1000 WHERE id = (SELECT max(id) FROM records)")
    ids = sorted((record_id(key).digest for key in ("moved", "whole")), reverse=True)
    assert [each.id.digest for each in due(bench)] == ids[1:]
    assert due(bench) == [], "it is taken all the same, and not met again at once"


def test_q1_of_many_workers_that_ask_at_once_each_record_goes_to_one(place: Place, bench: Bench) -> None:
    for number in range(30):
        bench.settle(bench.granted(asking(f"{number}")), MarkUnknown("reset"))

    async def both() -> list[Inquiry]:
        other = await place.backend().open()
        assert isinstance(other, SqlStore)
        stores = (store_of(bench), other)
        work = timedelta(seconds=300)
        found: list[Inquiry] = []
        while batches := [
            batch
            for batch in await asyncio.gather(*(store.due(("api",), work, 4) for store in stores for _ in range(2)))
            if batch
        ]:
            found += [each for batch in batches for each in batch]
        await other.close()
        return found

    found = bench.run(both())
    assert sorted(each.id.digest for each in found) == sorted(record_id(f"{n}").digest for n in range(30))
    assert all(bench.run(store_of(bench).asked(each, Asked(0, timedelta(seconds=9)))) for each in found)


# Decisions


@pytest.mark.parametrize("word", [Complete(ANSWER), Release()])
def test_law_12_of_many_who_decide_at_once_and_a_late_answer_one_is_heard(
    bench: Bench, word: Complete | Release
) -> None:
    store = store_of(bench)
    for number in range(10):
        grant = unknown(bench, f"{number}")

        async def at_once() -> list[object]:
            words = [Decision(grant.id, 1, owner(), word, RETENTION, f"{n}") for n in range(10)]  # noqa: B023
            late = store.settle(grant, Complete(ANSWER))  # noqa: B023 - awaited in this round
            return list(await asyncio.gather(*map(store.decide, words[:5]), late, *map(store.decide, words[5:])))

        heard = bench.run(at_once())
        assert sum(isinstance(each, Decided | Settled) for each in heard) == 1
        assert sum(isinstance(each, Moved) for each in heard) == 10


def test_a_record_whose_answer_does_not_open_is_shown_without_it_and_can_be_forgotten(
    place: Place, bench: Bench
) -> None:
    grant = bench.completed(replace(claim("k"), route="api"), ANSWER)
    place.rows("UPDATE records SET body = head")
    shown = dossier(bench, grant.id)
    assert (shown.entry.state, shown.status, shown.size) == (State.COMPLETED, None, None)
    page = bench.run(store_of(bench).page(Query()))
    assert page.entries == (shown.entry,)
    assert isinstance(bench.forget(grant.id, 1), Forgotten)
    assert isinstance(bench.look(grant.id), Expired)


# Histories


def test_r4_a_history_costs_an_ordinary_call_nothing_and_is_told_all_the_same(place: Place, bench: Bench) -> None:
    grant = bench.completed(claim("k"), ANSWER)
    expected = ["granted 1 by gateway", "completed 1 by gateway"]
    for seconds, swept, more in ((0, False, []), (101, False, ["expired 1 by time"]), (0, True, ["expired 1 by time"])):
        bench.age(grant.id, seconds)
        if swept:
            bench.sweep()
        shown = dossier(bench, grant.id)
        assert told(shown.history) == expected + more
        assert shown.entry.since == shown.history[-1].at
        granted, completed, *expired = shown.history
        assert granted.at <= completed.at
        assert [each.at - completed.at for each in expired] == [RETENTION.response] * len(more)
    assert place.rows("SELECT history FROM records") == [(None,)]


def test_r4_a_history_tells_of_second_attempts_late_answers_and_turns_of_time(bench: Bench) -> None:
    first = bench.granted(claim("k"))
    bench.age(first.id, 60)
    second = bench.granted(claim("k", takeover=400))
    bench.settle(second, Release())
    third = bench.granted(claim("k", takeover=400))
    bench.age(third.id, 60)
    bench.settle(third, Complete(ANSWER))
    bench.age(third.id, 101)
    expected = [
        "granted 1 by gateway",
        "unknown 1 by time: lease-over",
        "taken-over 2 by gateway",
        "unknown 2 by gateway",
        "taken-over 3 by gateway",
        "unknown 3 by time: lease-over",
        "completed 3 by gateway",
        "expired 3 by time",
    ]
    assert told(dossier(bench, first.id).history) == expected
    bench.sweep()
    assert told(dossier(bench, first.id).history) == expected
    assert isinstance(bench.forget(first.id, 3), Forgotten)
    assert told(dossier(bench, first.id).history) == expected, "it was a tombstone before"


def test_r4_an_answer_that_was_given_by_word_expires_like_any_other(bench: Bench) -> None:
    grant = unknown(bench)
    bench.run(store_of(bench).decide(replace(decision(grant, Complete(ANSWER)), by='"\n\0ü', note="y" * 500)))
    bench.age(grant.id, 101)
    bench.sweep()
    shown = dossier(bench, grant.id)
    assert [event.what for event in shown.history] == ["granted", "unknown", "completed", "expired"]
    assert (shown.history[2].by, shown.history[2].note) == ('"\n\0ü', "y" * 200)


def test_r4_a_record_that_was_forgotten_begins_a_new_history(bench: Bench) -> None:
    grant = bench.completed(claim("k"), ANSWER)
    bench.age(grant.id, 1200)
    bench.granted(claim("k"))
    assert told(dossier(bench, grant.id).history) == ["granted 2 by gateway"]


def test_r4_however_often_a_key_is_freed_its_row_stays_small(place: Place, bench: Bench) -> None:
    for _ in range(60):
        bench.settle(bench.granted(claim("k")), Release())
    ((lines, length),) = place.rows(
        "SELECT length(history) - length(replace(history, 'r', '')), length(history) FROM records"
    )
    assert lines <= 52
    assert length < 2500


# Lists


def test_a_page_of_a_route_looks_at_so_many_records_and_goes_on_where_it_stopped(bench: Bench) -> None:
    for number in range(12):
        grant = bench.granted(replace(claim(f"{number}"), route="rare" if number in (3, 9) else "api"))
        bench.age(grant.id, number)
    query, found, pages = Query(route="rare", limit=5), list[RecordId](), 0
    looking = partial(paging.page, scan=3, rounds=1)
    while True:
        page = bench.run(store_of(bench)._database.read(partial(looking, query=query)))
        found += [entry.id for entry in page.entries]
        pages += 1
        if page.next is None:
            break
        query = replace(query, after=page.next)
    assert found == [record_id("3"), record_id("9")]
    assert pages == 5
    whole = bench.run(store_of(bench)._database.read(partial(paging.page, query=Query(route="rare"), scan=3, rounds=9)))
    assert [entry.id for entry in whole.entries] == found
    assert whole.next is None


def test_of_very_many_open_calls_about_so_many_are_told(bench: Bench) -> None:
    for number in range(8):
        bench.granted(replace(claim(f"{number}"), route="api"))
    (told_of,) = bench.run(store_of(bench)._database.read(partial(counting.open_calls, limit=4)))
    assert (told_of.route, told_of.state, told_of.count) == ("api", State.IN_FLIGHT, 8)


def test_r3_an_sqlite_file_is_read_in_the_order_of_the_list(tmp_path: Path) -> None:
    seen: list[tuple[str, Any]] = []
    with Bench(SqliteBackend(tmp_path / "store.db")) as bench:
        database = store_of(bench)._database
        assert isinstance(database, SqliteDatabase)
        event.listen(database.engine, "before_cursor_execute", lambda *seen_of: seen.append(seen_of[2:4]))
        for state in (None, *State):
            bench.run(store_of(bench).page(Query(state=state)))
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        asked = [(statement, values) for statement, values in seen if statement.startswith("SELECT")]
        steps = [row[3] for each in asked for row in connection.execute(f"EXPLAIN QUERY PLAN {each[0]}", each[1])]
    assert len(asked) == 1 + len(State)
    assert not [step for step in steps if step.startswith("SCAN records")]
    assert sum("records_by_creation (state=?)" in step for step in steps) == 4 + 4
