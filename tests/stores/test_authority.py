"""The laws of an authority that may have fronts, and what is left in its tables when an answer was forgotten."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Self

import pytest

from gateway.errors import StoreUnavailable
from gateway.ports import Erasure
from gateway.protocol.model import Busy, Completed, Forgotten, Grant, MarkUnknown, Moved, Replay
from gateway.stores.erasing import LATEST_CLOCK
from tests.postgres import Server, Servers, installed
from tests.stores.backends import AuthorityBackend, Bench, MemoryBackend, PostgresBackend, SqliteBackend
from tests.stores.requests import ANSWER, RETENTION, claim, record_id


class AuthorityBench(Bench):
    """A bench whose store may have a front."""

    def __init__(self, backend: AuthorityBackend) -> None:
        super().__init__(backend)
        self._backend = backend

    def __enter__(self) -> Self:
        self.store = self.authority = self.run(self._backend.open())
        return self

    def forgotten(self, key: str) -> Erasure:
        grant = self.completed(claim(key), ANSWER)
        assert isinstance(self.forget(grant.id, grant.fence), Forgotten)
        erasure = self.erasure(key)
        assert erasure is not None
        return erasure

    def erasure(self, key: str) -> Erasure | None:
        return self.run(self.authority.erasure(record_id(key)))

    def open_in(self, incarnation: str, after: Erasure | None = None, limit: int = 100) -> list[Erasure]:
        return list(self.run(self.authority.erasures(incarnation, after, limit)))

    def note(self, incarnation: str, *erasures: Erasure) -> None:
        self.run(self.authority.note_erased(erasures, incarnation))


@pytest.fixture(params=["memory", "sqlite", *installed()])
def bench(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Iterator[AuthorityBench]:
    with ExitStack() as stack:
        match request.param:
            case "memory":
                backend: AuthorityBackend = MemoryBackend()
            case "sqlite":
                backend = SqliteBackend(tmp_path / "records.db")
            case name:
                server = servers.get(name)
                backend = PostgresBackend(server, stack.enter_context(server.database()))
        yield stack.enter_context(AuthorityBench(backend))


def test_law_e1_an_erasure_lasts_until_the_copy_has_ended_by_the_latest_clock(bench: AuthorityBench) -> None:
    grant = bench.completed(claim("k"), ANSWER)
    record = bench.look(grant.id)
    assert isinstance(record, Completed)
    bench.forget(grant.id, grant.fence)
    assert bench.erasure("k") == Erasure(grant.id, record.replay_until + LATEST_CLOCK)


def test_law_e1_what_was_not_forgotten_and_what_was_never_copied_leave_no_erasure(bench: AuthorityBench) -> None:
    unknown, flying, kept = (bench.granted(claim(key)) for key in ("u", "f", "c"))
    bench.settle(unknown, MarkUnknown("reset"))
    assert isinstance(bench.forget(unknown.id, 1), Forgotten)
    assert isinstance(bench.forget(flying.id, 1), Busy)
    assert bench.forget(kept.id, 2) == Moved()
    assert [bench.erasure(key) for key in ("u", "f", "c", "never")] == [None] * 4
    assert bench.open_in("a front") == []


def test_law_e1_forgetting_again_leaves_the_erasure_as_it_is(bench: AuthorityBench) -> None:
    erasure = bench.forgotten("k")
    bench.note("a front", erasure)
    assert isinstance(bench.forget(erasure.id, 1), Forgotten)
    assert bench.erasure("k") == replace(erasure, erased_in="a front")


def test_law_e2_each_incarnation_is_told_what_was_not_done_in_it_last(bench: AuthorityBench) -> None:
    one, other = sorted((bench.forgotten(key) for key in ("a", "b")), key=lambda each: each.id.digest)
    assert bench.open_in("first") == [one, other]
    bench.note("first", one)
    done = replace(one, erased_in="first")
    assert bench.open_in("first") == [other]
    assert bench.open_in("second") == [done, other]
    bench.note("second", done, other)
    bench.note("second", done, other)
    assert bench.open_in("second") == []
    assert [each.erased_in for each in bench.open_in("first")] == ["second", "second"]


def test_law_e2_they_are_told_in_one_order_from_wherever_one_goes_on(bench: AuthorityBench) -> None:
    everything = sorted((bench.forgotten(f"{number}") for number in range(7)), key=lambda each: each.id.digest)
    told, last = list[Erasure](), None
    while batch := bench.open_in("a front", last, 3):
        assert len(batch) <= 3
        told += batch
        last = batch[-1]
    assert told == everything


def test_law_e2_a_key_that_is_used_and_forgotten_again_has_an_erasure_of_its_own(bench: AuthorityBench) -> None:
    first = bench.forgotten("k")
    bench.note("a front", first)
    bench.age(first.id, 1110)
    second = bench.forgotten("k")
    assert second.until > first.until
    assert bench.open_in("a front") == [second]
    assert bench.open_in("another") == [replace(first, erased_in="a front"), second]


def test_law_e3_an_erasure_that_has_ended_is_told_no_more_and_goes_with_a_sweep(bench: AuthorityBench) -> None:
    long = replace(RETENTION, key=timedelta(days=3))
    for key, seconds in (("ended", 2 * 86400), ("living", 3600)):
        grant = bench.completed(claim(key, retention=long), ANSWER)
        bench.age(grant.id, seconds)
        assert isinstance(bench.forget(grant.id, 1), Forgotten)
    assert bench.erasure("ended") is None
    assert [each.id for each in bench.open_in("a front")] == [record_id("living")]
    assert noted(bench) == 2
    assert bench.sweep().total == 0
    assert noted(bench) == 1
    bench.note("a front", Erasure(record_id("ended"), bench.open_in("")[0].until))
    assert noted(bench) == 1


def noted(bench: AuthorityBench) -> int:
    match bench.backend:
        case MemoryBackend() as memory:
            return len(memory.store._erasures)
        case SqliteBackend() | PostgresBackend() as tables:
            return len(execute(tables, "SELECT * FROM erasures"))
        case _:
            raise AssertionError


def execute(backend: SqliteBackend | PostgresBackend, sql: str) -> list[tuple[object, ...]]:
    if isinstance(backend, SqliteBackend):
        return backend.execute(sql)
    return [tuple(row) for row in backend.server.execute(sql, url=backend.url)]


# What is left


@pytest.mark.parametrize("swept", [False, True])
@pytest.mark.parametrize("aged", [0, 101])
def test_nothing_of_a_forgotten_answer_is_left_in_its_row(bench: AuthorityBench, aged: float, swept: bool) -> None:
    grant = bench.completed(claim("k"), ANSWER)
    bench.age(grant.id, aged)
    if swept:
        bench.sweep()
    bench.forget(grant.id, grant.fence)
    tables = bench.backend
    if isinstance(tables, SqliteBackend | PostgresBackend):
        left = "head IS NULL AND body IS NULL AND forget_at IS NULL AND asks_with IS NULL AND state = 5"
        assert len(execute(tables, f"SELECT id FROM records WHERE {left}")) == 1  # noqa: S608 - the words above
    else:
        assert ANSWER.body.decode() not in repr(bench.look(grant.id))


# Postgres, whose statements each commit alone


@pytest.fixture
def postgres(servers: Servers) -> Server:
    return servers.get()


@pytest.fixture
def database(postgres: Server) -> Iterator[str]:
    with postgres.database() as url:
        yield url


@pytest.fixture
def on_postgres(postgres: Server, database: str) -> Iterator[AuthorityBench]:
    with AuthorityBench(PostgresBackend(postgres, database)) as bench:
        yield bench


def test_law_e1_the_erasure_is_noted_before_the_record_is_turned(
    on_postgres: AuthorityBench, postgres: Server, database: str
) -> None:
    """As if the gateway had died between the two: the record stands, and its copy goes for nothing."""
    bench = on_postgres
    grant: Grant = bench.completed(claim("k"), ANSWER)
    refuse = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not now'; END $$"
    postgres.execute(refuse, url=database)
    postgres.execute(
        "CREATE TRIGGER refuse BEFORE UPDATE ON records FOR EACH ROW EXECUTE FUNCTION refuse()", url=database
    )
    with pytest.raises(StoreUnavailable):
        bench.forget(grant.id, grant.fence)
    assert bench.erasure("k") is not None
    assert isinstance(bench.claim(claim("k")), Replay)
    postgres.execute("DROP TRIGGER refuse ON records", url=database)
    assert isinstance(bench.forget(grant.id, grant.fence), Forgotten)
    assert len(bench.open_in("a front")) == 1
