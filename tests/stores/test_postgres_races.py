"""Many claimants on one server, what each call costs it, and what it leaves there."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from gateway.errors import StoreUnavailable
from gateway.protocol.model import Busy, Claim, Complete, Grant, Granted, Moved, Release, Replay, Settled, Verdict
from gateway.stores.sql.postgres import PostgresDatabase
from gateway.stores.sql.store import SqlStore
from tests.postgres import Server, Servers, installed, on
from tests.stores.requests import ANSWER, claim


@pytest.fixture(params=installed())
def server(request: pytest.FixtureRequest, servers: Servers) -> Server:
    return servers.get(request.param)


@pytest.fixture
def url(server: Server) -> Iterator[str]:
    with server.database() as url:
        yield url


@asynccontextmanager
async def stores(url: str, number: int, *, seconds: float = 10) -> AsyncGenerator[list[SqlStore]]:
    # Patient, for a test must not fail because its machine has much to do.
    opened = [await SqlStore.open_postgres(url, deadline=timedelta(seconds=seconds)) for _ in range(number)]
    try:
        for store in opened:
            await store.digest_keys([None])
        yield opened
    finally:
        for store in opened:
            await store.close()


def granted(verdicts: list[Verdict]) -> list[Granted]:
    return [verdict for verdict in verdicts if isinstance(verdict, Granted)]


def database(store: SqlStore) -> PostgresDatabase:
    assert isinstance(store._database, PostgresDatabase)
    return store._database


def with_observer(url: str, scenario: Callable[[Any], Awaitable[None]]) -> None:
    """Runs a scenario beside somebody who looks at the same database."""
    asyncio.run(on(url, scenario))


def test_of_forty_claimants_on_four_gateways_exactly_one_is_granted_in_each_of_forty_rounds(url: str) -> None:
    async def scenario() -> None:
        async with stores(url, 4) as four:
            for number in range(40):
                asked = [four[each % 4].claim(claim(f"{number}")) for each in range(40)]
                verdicts = await asyncio.gather(*asked)
                assert len(granted(verdicts)) == 1
                assert sum(isinstance(verdict, Busy) for verdict in verdicts) == 39

    asyncio.run(scenario())


def test_of_claimants_of_a_released_key_on_four_gateways_one_is_granted_under_each_fence(url: str) -> None:
    async def scenario() -> None:
        async with stores(url, 4) as four:
            grants: list[Grant] = []
            for _ in range(40):
                (winner,) = granted(await asyncio.gather(*(four[each % 4].claim(claim("k")) for each in range(40))))
                grants.append(winner.grant)
                answers = await asyncio.gather(*(store.settle(winner.grant, Release()) for store in four))
                assert all(isinstance(answer, Settled) for answer in answers)
            assert [grant.fence for grant in grants] == list(range(1, 41))
            assert await four[0].settle(grants[-1], Complete(ANSWER)) == Moved()

    asyncio.run(scenario())


def test_opposing_batches_grant_each_key_once_and_never_deadlock(url: str) -> None:
    async def scenario(observer: Any) -> None:  # noqa: ANN401 - the driver is untyped
        async with stores(url, 2) as (one, other):
            for number in range(15):
                keys = [f"{number} {key}" for key in range(200)]
                verdicts = await asyncio.gather(
                    *(one.claim(claim(key)) for key in keys), *(other.claim(claim(key)) for key in reversed(keys))
                )
                grants = [verdict.grant for verdict in granted(verdicts)]
                assert len({grant.id for grant in grants}) == len(grants) == 200
                settled = await asyncio.gather(
                    *(one.settle(grant, Complete(ANSWER)) for grant in grants[:50]),
                    *(other.settle(grant, Complete(ANSWER)) for grant in reversed(grants[:50])),
                )
                assert all(isinstance(answer, Settled) for answer in settled)
        query = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        assert await observer.fetchval(query) == 0

    with_observer(url, scenario)


def test_a_row_that_cannot_be_written_fails_nobody_else_in_its_batch(url: str) -> None:
    poisoned = claim("poisoned")

    async def scenario(observer: Any) -> None:  # noqa: ANN401 - the driver is untyped
        await observer.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$"
        )
        condition = f"NEW.id = '\\x{poisoned.id.digest.hex()}'"
        await observer.execute(
            f"CREATE TRIGGER refuse BEFORE INSERT ON records FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION refuse()"
        )
        async with stores(url, 1, seconds=1) as (store,):
            good: list[Claim] = [claim(f"{number}") for number in range(30)]
            asked = [store.claim(each) for each in (*good[:15], poisoned, *good[15:])]
            heard = await asyncio.gather(*asked, return_exceptions=True)
            assert isinstance(heard.pop(15), StoreUnavailable)
            assert all(isinstance(verdict, Granted) and verdict.grant.fence == 1 for verdict in heard)

    with_observer(url, scenario)


class Meter:
    """What the server has written since: transactions that changed something, and bytes of its log."""

    def __init__(self, observer: Any) -> None:  # noqa: ANN401 - the driver is untyped
        self._observer = observer

    async def start(self) -> None:
        self._before = await self._read()

    async def read(self) -> tuple[int, int]:
        commits, log = await self._read()
        return commits - self._before[0], log - self._before[1]

    async def _read(self) -> tuple[int, int]:
        # A number is given to a transaction when it first changes something, and to no other.
        row = await self._observer.fetchrow(
            "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint, pg_current_wal_insert_lsn() - '0/0'::pg_lsn"
        )
        return int(row[0]), int(row[1])


def test_a_first_call_costs_one_commit_for_its_claim_and_one_for_its_completion_and_holds_no_connection(
    url: str,
) -> None:
    async def scenario(observer: Any) -> None:  # noqa: ANN401 - the driver is untyped
        meter = Meter(observer)
        async with stores(url, 1) as (store,):
            said: list[str] = []
            engine = database(store).engine.sync_engine
            event.listen(engine, "before_cursor_execute", lambda *told: said.append(told[2].split()[0]))
            await meter.start()
            for number in range(50):
                verdict = await store.claim(claim(f"{number}"))
                assert isinstance(verdict, Granted)
                assert engine.pool.status().count("Current Checked out connections: 0") == 1, "the upstream works now"
                await store.settle(verdict.grant, Complete(ANSWER))
            commits, _ = await meter.read()
            assert commits == 100
            assert said == ["INSERT", "UPDATE"] * 50

    with_observer(url, scenario)


def test_calls_that_come_together_share_their_commits(url: str) -> None:
    async def scenario(observer: Any) -> None:  # noqa: ANN401 - the driver is untyped
        meter = Meter(observer)
        async with stores(url, 1) as (store,):
            await meter.start()
            verdicts = await asyncio.gather(*(store.claim(claim(f"{number}")) for number in range(256)))
            await asyncio.gather(*(store.settle(each.grant, Complete(ANSWER)) for each in granted(verdicts)))
            commits, _ = await meter.read()
            assert commits == 2
            assert (await store.count())["completed"] == 256

    with_observer(url, scenario)


def test_a_storm_of_callers_who_are_told_busy_or_the_kept_answer_writes_nothing(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def scenario(observer: Any) -> None:  # noqa: ANN401 - the driver is untyped
        meter = Meter(observer)
        async with stores(url, 2) as pair:
            await pair[0].claim(claim("busy"))
            (first,) = granted([await pair[0].claim(claim("done"))])
            await pair[0].settle(first.grant, Complete(ANSWER))
            # Who reads a row first may note on its page that it was committed; that is written once, by nobody's claim.
            await asyncio.gather(*(pair[0].claim(claim(key)) for key in ("busy", "done")))
            await meter.start()
            for key, kind in (("busy", Busy), ("done", Replay)):
                for _ in range(10):
                    verdicts = await asyncio.gather(*(pair[each % 2].claim(claim(key)) for each in range(100)))
                    assert all(isinstance(verdict, kind) for verdict in verdicts)
            commits, log = await meter.read()
            with capsys.disabled():
                print(f"\n2,000 claims told busy or replayed: {commits} writing transactions, {log} bytes of WAL")
            assert commits == 0
            # The server may note by itself what runs, every 15 seconds; a single loser's row would be more.
            assert log < 200

    with_observer(url, scenario)


def test_nothing_lasts_longer_than_its_statement_so_that_a_pooler_may_deal_statements_out(url: str) -> None:
    async def scenario() -> None:
        async with stores(url, 1) as (store,):
            (first,) = granted([await store.claim(claim("k"))])
            await store.settle(first.grant, Complete(ANSWER))
            await store.claim(claim("k"))
            await store.sweep(10)
            async with database(store).engine.connect() as connection:
                wire = (await connection.get_raw_connection()).driver_connection
                assert wire is not None
                assert await wire.fetchval("SELECT count(*) FROM pg_prepared_statements") == 0
                assert await wire.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0
                changed = await wire.fetch("SELECT name FROM pg_settings WHERE source = 'session'")
                assert [row["name"] for row in changed] == []

    asyncio.run(scenario())


def test_a_sweep_leaves_alone_what_somebody_else_is_at_and_waits_for_nobody(url: str) -> None:
    async def scenario(observer: Any) -> None:  # noqa: ANN401 - the driver is untyped
        async with stores(url, 1) as (store,):
            held, free = [granted([await store.claim(claim(key))])[0].grant for key in ("held", "free")]
            await observer.execute("UPDATE records SET turns_at = turns_at - 60000")
            async with observer.transaction():
                await observer.execute("SELECT 1 FROM records WHERE id = $1 FOR UPDATE", held.id.digest)
                assert (await store.sweep(10)).lapsed == 1
            assert (await store.sweep(10)).lapsed == 1
            assert free.id != held.id

    with_observer(url, scenario)


def test_a_table_too_large_to_count_is_sampled(url: str) -> None:
    async def scenario(observer: Any) -> None:  # noqa: ANN401 - the driver is untyped
        async with stores(url, 1) as (store,):
            template = granted([await store.claim(claim("k"))])[0].grant.id
            columns = (
                "state, fence, owner, turns_at, recipe, scope, fingerprint, created_at, response_ms, key_ms, "
                "unknown_ms, first_sent_at, taken_over, route"
            )
            copies = f"SELECT sha256(int8send(n)), {columns} FROM records, generate_series(1, 59999) n"  # noqa: S608
            await observer.execute(f"INSERT INTO records (id, {columns}) {copies} WHERE id = $1", template.digest)
            assert (await store.count())["in-flight"] == 60_000
            await observer.execute("UPDATE pg_class SET reltuples = 600000 WHERE oid = 'records'::regclass")
            assert 45_000 < (await store.count())["in-flight"] < 75_000
            await observer.execute("UPDATE records SET turns_at = turns_at - 60000")
            assert 45_000 < (await store.count())["unknown"] < 75_000

    with_observer(url, scenario)
