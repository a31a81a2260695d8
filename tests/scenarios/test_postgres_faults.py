"""Postgres stands still, has no connection or no room left, or cannot say: what callers hear, and what comes of it."""

import threading
import time
from collections import Counter, deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count, repeat
from pathlib import Path

import asyncpg
import pytest

from gateway.stores.sql.tables import State
from tests.faultproxy import proxying
from tests.postgres import LOG_FILE, Server
from tests.redis_servers import eventually
from tests.scenarios.fleet import Fleet
from tests.scenarios.test_tiered import LOST
from tests.scenarios.tiers import Redis, states
from tests.stage import Heard
from tests.upstream import Play, Upstream, answer

NEW = [f"new-{number}" for number in range(8)]

# Metric: grants that were heard of too late.
TAKEN_BACK = 'grants_taken_back_total{route="default"}'

# The two seconds of the contract, and what a slow machine adds to them.
IN_TIME = 2 + 0.75


def refused(fleet: Fleet, keys: Sequence[str]) -> None:
    """Each of these calls, all at once, is told in time that it sent nothing."""

    def ask(key: str) -> tuple[Heard, float]:
        begun = time.monotonic()
        return fleet.ask(key), time.monotonic() - begun

    with ThreadPoolExecutor(len(keys)) as pool:
        for heard, seconds in pool.map(ask, keys):
            assert (heard.told, heard.get("retry-after")) == (LOST, "1")
            assert seconds < IN_TIME


def repeated(fleet: Fleet, key: str, body: bytes) -> None:
    """Redis answers, whatever the authority does."""
    again = fleet.ask(key)
    assert (again.told, again.body) == ("201 replayed", body)


def executed_once(fleet: Fleet, keys: Sequence[str]) -> None:
    """Callers who retry get an answer. For a moment a key may be in flight, while a doubtful claim is taken back."""
    for key in keys:
        eventually(lambda: fleet.ask(key).told == "201 replayed")  # noqa: B023 - asked in this round


@pytest.mark.parametrize("all_of_it", [True, False], ids=["all of it", "the one that takes connections"])
def test_a_postgres_that_stands_still_costs_new_keys_a_503_in_time_and_nothing_when_it_goes_on(
    upstream: Upstream, postgres: Server, database: str, redis: Redis, tmp_path: Path, all_of_it: bool
) -> None:
    gate = threading.Event()
    with (
        proxying(postgres.port) as proxy,
        Fleet(
            upstream, tmp_path, f"{database.replace(f':{postgres.port}/', f':{proxy.port}/')} {redis.server.url}"
        ) as fleet,
        ThreadPoolExecutor(1) as pool,
    ):
        kept = fleet.ask("kept").body
        upstream.then(Play(answer(201, b"true"), gate=gate))
        meanwhile = pool.submit(fleet.ask, "meanwhile")
        upstream.wait_for(2)
        redis.eventually_keeps(1)
        with postgres.stopped(all_of_it=all_of_it):
            if not all_of_it:
                # Those who are connected would not notice.
                proxy.reset()
            refused(fleet, NEW)
            repeated(fleet, "kept", kept)
            assert fleet.ready().status == 503
            gate.set()
            heard = meanwhile.result()
            assert (heard.told, heard.get("idempotency-recorded")) == ("201 executed", "false")
            assert len(upstream.log) == 2, "I3: answered 503, and executed"
        eventually(lambda: fleet.ready().status == 200)
        eventually(lambda: fleet.ask("meanwhile").told == "201 replayed")
        assert fleet.ask("meanwhile").body == b"true"
        if all_of_it:
            # It had been told of some of them, and did as it was told when it went on.
            eventually(lambda: fleet.metric(TAKEN_BACK) > 0)
        executed_once(fleet, NEW)
        repeated(fleet, "kept", kept)
    assert Counter(logged.key for logged in upstream.log) == dict.fromkeys(["kept", "meanwhile", *NEW], 1)
    assert states(postgres, database) == {State.COMPLETED: len(upstream.log)}, "I6, I8"


def test_a_postgres_without_a_free_connection_costs_new_keys_a_503_until_there_is_one(
    upstream: Upstream, postgres: Server, database: str, redis: Redis, tmp_path: Path
) -> None:
    with (
        proxying(postgres.port) as proxy,
        Fleet(
            upstream, tmp_path, f"{database.replace(f':{postgres.port}/', f':{proxy.port}/')} {redis.server.url}"
        ) as fleet,
    ):
        kept = fleet.ask("kept").body
        redis.eventually_keeps(1)
        with postgres.taken(from_others=proxy.reset):
            refused(fleet, NEW)
            repeated(fleet, "kept", kept)
            ready = fleet.ready()
            assert ready.status == 503
            assert b"too many clients" in ready.body, "it was full, or this test shows nothing"
            assert len(upstream.log) == 1
        eventually(lambda: fleet.ready().status == 200)
        assert {fleet.ask(key).told for key in NEW} == {"201 executed"}
        assert fleet.metric(TAKEN_BACK) == 0, "what reached no server was granted by none"
    assert Counter(logged.key for logged in upstream.log) == dict.fromkeys(["kept", *NEW], 1)


@contextmanager
def full(postgres: Server, database: str) -> Generator[None]:
    """No page can be added to the records, which are longer than a file of the log, so that the log goes on."""

    def fill(rows: int) -> None:
        postgres.execute(
            "INSERT INTO records (id, state, fence, owner, turns_at, route) "
            "SELECT uuid_send(gen_random_uuid()), $1, 1, '', 1e13, '' FROM generate_series(1, $2)",
            State.RELEASED,
            rows,
            url=database,
        )

    def size() -> int:
        (row,) = postgres.execute("SELECT pg_relation_size('records')", url=database)
        return int(row[0])

    # A page holds few rows, and is as full as it ever will be.
    postgres.execute("ALTER TABLE records SET (fillfactor = 10)", url=database)
    while size() < LOG_FILE:
        fill(5000)
    with postgres.bounded(size()):
        # Of the pages that are there, some are empty.
        with pytest.raises(asyncpg.PostgresError, match="could not extend file"):
            deque(map(fill, repeat(1)), maxlen=0)
        yield


def test_a_postgres_without_room_costs_new_keys_a_503_until_there_is_room(
    upstream: Upstream, postgres: Server, database: str, redis: Redis, fleet: Fleet
) -> None:
    kept = fleet.ask("kept").body
    redis.eventually_keeps(1)
    with full(postgres, database):
        refused(fleet, NEW)
        repeated(fleet, "kept", kept)
        ready = fleet.ready()
        assert ready.status == 503
        assert b"could not extend file" in ready.body
        assert len(upstream.log) == 1
    executed_once(fleet, NEW)
    assert fleet.ready().status == 200
    assert Counter(logged.key for logged in upstream.log) == dict.fromkeys(["kept", *NEW], 1)


@contextmanager
def ghost(postgres: Server) -> Generator[None]:
    """Every commit waits for a standby that is not there."""
    postgres.set(synchronous_standby_names="ghost")
    try:
        yield
    finally:
        postgres.set(synchronous_standby_names="")


def stuck(postgres: Server, database: str, fleet: Fleet, pool: ThreadPoolExecutor) -> tuple[str, Future[Heard]]:
    """A call whose claim waits for the standby; the server takes a moment to reread its settings."""
    for number in count():
        key = f"stuck-{number}"
        call = pool.submit(fleet.ask, key)
        while not call.done():
            if waiting(postgres, database):
                return key, call
    raise AssertionError


def waiting(postgres: Server, database: str) -> list[int]:
    """The processes that wait for the standby."""
    return [
        row["pid"]
        for row in postgres.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'SyncRep'",
            url=database,
        )
    ]


@pytest.mark.parametrize("blow", ["pg_terminate_backend", "pg_cancel_backend"])
def test_a_claim_whose_commit_nobody_confirmed_is_sent_once_when_it_is_confirmed_and_no_sooner(
    upstream: Upstream, postgres: Server, database: str, fleet: Fleet, blow: str
) -> None:
    with ThreadPoolExecutor(1) as pool:
        with ghost(postgres):
            key, call = stuck(postgres, database, fleet, pool)
            (struck,) = waiting(postgres, database)
            postgres.execute(f"SELECT {blow}({struck})")
            # It was committed, or this test shows nothing; others see that when the struck process has ended.
            eventually(lambda: states(postgres, database)[State.IN_FLIGHT] == 1)
            eventually(lambda: call.done() or waiting(postgres, database) != [])
            assert not call.done(), "the claim was believed before a standby had it"
            assert upstream.count(key) == 0
        assert call.result().told == "201 executed"
    assert fleet.ask(key).told == "201 replayed"
    assert upstream.count(key) == 1


def test_a_claim_that_is_not_confirmed_in_time_is_refused_and_its_key_is_sent_once_when_it_is_called_again(
    upstream: Upstream, postgres: Server, database: str, fleet: Fleet
) -> None:
    with ThreadPoolExecutor(1) as pool:
        with ghost(postgres):
            key, call = stuck(postgres, database, fleet, pool)
            assert call.result().told == LOST
            assert upstream.count(key) == 0
            assert fleet.ready().status == 503
        eventually(lambda: fleet.metric(TAKEN_BACK) == 1)
    assert [fleet.ask(key).told for _ in range(2)] == ["201 executed", "201 replayed"]
    assert upstream.count(key) == 1
