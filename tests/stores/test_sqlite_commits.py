"""Laws of an SQLite store's commits: durable before they are heard, few for many, and each operation for itself."""

import asyncio
import signal
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from random import randbytes

import pytest
from sqlalchemy import Connection, event

from gateway.errors import StoreUnavailable
from gateway.protocol.model import Busy, Complete, Granted, InFlight, Moved, Settled, StoredResponse, Verdict
from gateway.stores.batching import MOST_BYTES
from gateway.stores.sql.revisions import SchemaState
from gateway.stores.sql.schema import migrate, schema_state
from gateway.stores.sql.sqlite import SqliteDatabase
from gateway.stores.sql.store import SqlStore
from tests.stores.backends import Bench, SqliteBackend
from tests.stores.processes import claimant, lines
from tests.stores.requests import ANSWER, claim, record_id


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def backend(path: Path) -> SqliteBackend:
    return SqliteBackend(path)


@pytest.fixture
def bench(backend: SqliteBackend) -> Iterator[Bench]:
    with Bench(backend) as bench:
        yield bench


def _database(bench: Bench) -> SqliteDatabase:
    assert isinstance(bench.store, SqlStore)
    database = bench.store._database
    assert isinstance(database, SqliteDatabase)
    return database


def _commits(bench: Bench) -> list[Connection]:
    """Grows by one with each commit from here on."""
    commits: list[Connection] = []
    event.listen(_database(bench).engine, "commit", commits.append)
    return commits


def test_a_claim_alone_and_its_answer_are_one_commit_each(bench: Bench) -> None:
    commits = _commits(bench)
    bench.completed(claim("k"), ANSWER)
    assert len(commits) == 2


def test_many_claims_and_answers_at_once_share_few_commits(bench: Bench) -> None:
    commits = _commits(bench)

    async def call(number: int) -> None:
        verdict = await bench.store.claim(claim(f"{number}"))
        assert isinstance(verdict, Granted)
        assert isinstance(await bench.store.settle(verdict.grant, Complete(ANSWER)), Settled)

    async def calls() -> None:
        await asyncio.gather(*(call(number) for number in range(200)))

    bench.run(calls())
    assert len(commits) <= 4


def test_a_claim_waits_for_few_of_the_large_answers_that_came_before_it(bench: Bench) -> None:
    grants = [bench.granted(claim(f"{number}")) for number in range(12)]
    large = Complete(StoredResponse(200, (), randbytes(MOST_BYTES // 4)))

    async def at_once() -> int:
        answers = [asyncio.ensure_future(bench.store.settle(grant, large)) for grant in grants]
        await asyncio.sleep(0)
        assert isinstance(await bench.store.claim(claim("small")), Granted)
        before = sum(each.done() for each in answers)
        assert {type(answer) for answer in await asyncio.gather(*answers)} == {Settled}
        return before

    assert bench.run(at_once()) <= len(grants) // 2


def test_a_row_that_cannot_be_written_fails_nobody_else_in_its_batch(bench: Bench, backend: SqliteBackend) -> None:
    poisoned = record_id("poisoned").digest.hex()
    backend.execute(
        f"CREATE TRIGGER poison BEFORE INSERT ON records WHEN NEW.id = x'{poisoned}' "
        "BEGIN SELECT RAISE(ABORT, 'poisoned'); END"
    )

    async def at_once() -> list[Verdict | BaseException]:
        claims = (claim(key) for key in ("a", "b", "poisoned", "c", "d"))
        return await asyncio.gather(*(bench.store.claim(each) for each in claims), return_exceptions=True)

    verdicts = bench.run(at_once())
    assert [type(verdict) for verdict in verdicts] == [Granted, Granted, StoreUnavailable, Granted, Granted]


def test_a_number_beyond_the_database_is_a_fault_of_its_own_operation(bench: Bench) -> None:
    grant = bench.granted(claim("k"))
    huge = type(grant)(grant.id, 2**63, grant.owner, grant.retention)
    with pytest.raises(StoreUnavailable):
        bench.settle(huge, Complete(ANSWER))
    assert isinstance(bench.settle(grant, Complete(ANSWER)), Settled)


def test_a_full_disk_grants_nothing_and_is_left_behind_when_there_is_room(bench: Bench) -> None:
    def limit(connection: Connection, pages: int) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    database = _database(bench)
    grant = bench.granted(claim("large"))
    large = Complete(StoredResponse(200, (), randbytes(1_000_000)))
    bench.run(database.write(lambda connection: limit(connection, 1)))
    with pytest.raises(StoreUnavailable, match="full"):
        bench.settle(grant, large)
    assert isinstance(bench.look(grant.id), InFlight)
    bench.run(database.write(lambda connection: limit(connection, 1_000_000)))
    assert isinstance(bench.settle(grant, large), Settled)


def test_a_store_without_room_for_a_claim_says_so_before_there_is_one(bench: Bench) -> None:
    database = _database(bench)
    bench.run(database.write(lambda connection: connection.exec_driver_sql("PRAGMA max_page_count = 1").close()))
    bench.run(bench.store.ping())
    claims = (claim(f"{number}") for number in range(1000))
    with pytest.raises(StoreUnavailable, match="full"):
        deque(map(bench.granted, claims), maxlen=0)
    with pytest.raises(StoreUnavailable, match="full"):
        bench.run(bench.store.ping())
    bench.run(database.write(lambda connection: connection.exec_driver_sql("PRAGMA max_page_count = 99").close()))
    bench.run(bench.store.ping())


def test_a_small_claim_is_granted_beside_an_answer_for_which_there_is_no_room(bench: Bench) -> None:
    database = _database(bench)
    grant = bench.granted(claim("large"))
    bench.run(database.write(lambda connection: connection.exec_driver_sql("PRAGMA max_page_count = 40").close()))

    async def at_once() -> tuple[object, Verdict]:
        large = bench.store.settle(grant, Complete(StoredResponse(200, (), randbytes(1_000_000))))
        told, verdict = await asyncio.gather(large, bench.store.claim(claim("small")), return_exceptions=True)
        assert not isinstance(verdict, BaseException | Settled | Moved)
        return told, verdict

    told, verdict = bench.run(at_once())
    assert isinstance(told, StoreUnavailable)
    assert isinstance(verdict, Granted)


def test_a_locked_file_is_unavailable_until_it_is_released_and_then_heard_as_the_same_claim(
    bench: Bench, path: Path
) -> None:
    request = claim("k")
    with Bench(SqliteBackend(path)) as other, _database(other).engine.begin() as connection:
        connection.exec_driver_sql("SELECT 1")
        with pytest.raises(StoreUnavailable, match="locked"):
            bench.claim(request)
    first, second = bench.granted(request), bench.granted(request)
    assert first == second
    assert first.fence == 1


def test_two_stores_on_one_file_grant_each_key_once_and_share_one_digest_key(bench: Bench, path: Path) -> None:
    async def scenario() -> None:
        other = await SqlStore.open_sqlite(path)
        assert await other.digest_keys([None]) == await bench.store.digest_keys([None])
        for number in range(10):
            stores = (bench.store, other)
            verdicts = await asyncio.gather(*(store.claim(claim(f"{number}")) for store in stores for _ in range(5)))
            granted = [verdict.grant for verdict in verdicts if isinstance(verdict, Granted)]
            assert len(granted) == 1
            assert sum(isinstance(verdict, Busy) for verdict in verdicts) == 9
            assert isinstance(await stores[number % 2].settle(granted[0], Complete(ANSWER)), Settled)
        await other.close()

    bench.run(scenario())


def test_two_processes_on_one_new_file_grant_each_key_once(path: Path) -> None:
    both = [claimant(path, 100, "race") for _ in range(2)]
    owners = [owner for process in both for owner in lines(process)]
    assert len(owners) == len(set(owners)) == 100


def test_looking_at_the_schema_takes_no_lock_away_from_a_store_that_is_open(bench: Bench, path: Path) -> None:
    # A descriptor of the file closed in this process would drop SQLite's locks on it, and the other process, closing
    # the file as if it were the last, would take the log away from under this one.
    bench.granted(claim("before"))
    assert schema_state(path) is SchemaState.CURRENT
    migrate(path)
    with Bench(SqliteBackend(path)) as second:
        second.run(second.store.ping())
    assert len(lines(claimant(path, 3, "race"))) == 3
    assert all(isinstance(bench.claim(claim(f"race {number}")), Busy) for number in range(3))
    assert lines(claimant(path, 3, "race")) == []


def test_a_grant_that_was_heard_survives_the_killing_of_its_process(path: Path, backend: SqliteBackend) -> None:
    process = claimant(path, 1, "hang")
    assert process.stdout is not None
    owner = bytes.fromhex(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with Bench(backend) as bench:
        record = bench.look(record_id("hang 0"))
        assert isinstance(record, InFlight)
        assert record.owner == owner
        assert isinstance(bench.claim(claim("hang 0")), Busy)


def test_a_closed_store_answers_nothing(path: Path) -> None:
    async def scenario() -> None:
        store = await SqlStore.open_sqlite(path)
        await store.digest_keys([None])
        await store.close()
        for asked in (store.claim(claim("k")), store.ping(), store.count()):
            with pytest.raises(StoreUnavailable):
                await asked

    asyncio.run(scenario())
