"""Postgres with Redis in front, as real processes: whoever is lost, for some or for all, nothing is sent twice."""

import json
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from gateway.stores.sql.tables import State
from gateway.stores.tiered import HINT_LIFETIME
from tests.faultproxy import proxying
from tests.postgres import Server
from tests.process import anywhere, run
from tests.redis_servers import eventually
from tests.scenarios.fleet import Fleet, finally_told, hold_together, through
from tests.scenarios.test_kills import moody
from tests.scenarios.tiers import BUSY, AskingFleet, Redis, repeated_again, states
from tests.stage import Heard
from tests.upstream import Play, Upstream, answer

KEYS = 300
LOST = "503 unavailable store-unavailable"


def test_hundreds_of_keys_on_three_gateways_through_kills_of_both_and_flushes_are_executed_at_most_once_each(
    upstream: Upstream, postgres: Server, database: str, redis: Redis, tiered: str, tmp_path: Path
) -> None:
    upstream.by_key = moody
    keys = [f"key-{number}" for number in range(KEYS)]
    with AskingFleet(upstream, tmp_path, *[tiered] * 3) as fleet:

        def lose_redis() -> None:
            redis.restart()
            for number in range(3):
                repeated_again(fleet, keys[0], number)

        faults = [step for number in range(3) for step in (partial(fleet.replace, number), lose_redis, redis.flush)]
        attempts = through(fleet, keys, faults)
    hold_together(upstream, attempts)
    told = finally_told(attempts, keys)
    recorded = states(postgres, database)
    answered = told["201 replayed"] + told["201 executed"]
    assert recorded[State.COMPLETED] == answered, "I8: a record for each answer, and no other"
    assert recorded.total() == len(keys)


# Redis is lost, or seen by some


def test_a_redis_that_is_killed_stops_no_call_and_nobodys_readiness_and_is_used_again_when_it_is_back(
    upstream: Upstream, redis: Redis, fleet: Fleet
) -> None:
    kept = fleet.ask("kept").body
    redis.eventually_keeps(1)
    redis.kill()
    for number in range(4):
        assert fleet.ask(f"{number}").told == "201 executed"
        again = fleet.ask("kept")
        assert (again.told, again.body) == ("201 replayed", kept)
    gate = threading.Event()
    upstream.then(Play(answer(), gate=gate))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(fleet.ask, "busy")
        upstream.wait_for(6)
        assert fleet.ask("busy").told == BUSY
        gate.set()
        assert first.result().told == "201 executed"
    ready = fleet.ready()
    assert ready.status == 200
    stores = json.loads(ready.body)["stores"]
    assert (stores["redis"]["role"], stores["redis"]["state"]) == ("front", "unavailable")
    assert stores["postgres"] == {"role": "authority", "state": "ok"}
    assert fleet.metric("front_lost_total") == 1
    assert fleet.metric("front_back_total") == 0

    redis.come_back()
    eventually(lambda: fleet.ask("kept").body == kept and fleet.metric("front_back_total") >= 1)
    repeated_again(fleet, "kept")
    assert fleet.ask("kept").body == kept
    assert json.loads(fleet.ready().body)["stores"]["redis"] == {"role": "front", "state": "ok"}
    assert set(Counter(logged.key for logged in upstream.log).values()) == {1}


def past_its_hint(fleet: Fleet, key: str, number: int) -> Heard:
    """The answer behind a hint: who cannot reach Redis cannot take it away either, and it lives two seconds at most."""
    until = time.monotonic() + HINT_LIFETIME.total_seconds() + 1
    while (heard := fleet.ask(key, number)).told == BUSY:
        assert time.monotonic() < until, "a hint outlived its time"
    return heard


def test_a_gateway_that_does_not_see_redis_and_one_that_does_execute_a_key_once_between_them(
    upstream: Upstream, postgres: Server, redis: Redis, database: str, tmp_path: Path
) -> None:
    with proxying(redis.server.port) as one, proxying(redis.server.port) as other:
        views = [f"{database} redis://127.0.0.1:{proxy.port}/0" for proxy in (one, other)]
        with AskingFleet(upstream, tmp_path, *views) as fleet, ThreadPoolExecutor(40) as pool:
            for proxy in (one, other, one, other):
                proxy.cut()
                key = f"key-{len(upstream.log)}"
                heard = list(pool.map(partial(fleet.ask, key), range(40)))
                told = Counter(each.told for each in heard)
                assert told["201 executed"] == upstream.count(key) == 1
                assert told.keys() <= {"201 executed", "201 replayed", BUSY}
                final = [past_its_hint(fleet, key, number) for number in (0, 1)]
                assert [each.told for each in final] == ["201 replayed"] * 2
                assert len({each.body for each in (*heard, *final) if each.status == 201}) == 1
                proxy.heal()
            assert all(fleet.metric("front_lost_total", number) >= 1 for number in (0, 1))
    assert states(postgres, database) == {State.COMPLETED: 4}


def test_a_gateway_that_does_not_see_postgres_repeats_what_redis_knows_and_leaves_new_keys_to_the_other(
    upstream: Upstream, postgres: Server, database: str, redis: Redis, tmp_path: Path
) -> None:
    with proxying(postgres.port) as proxy:
        blind = database.replace(f":{postgres.port}/", f":{proxy.port}/")
        with AskingFleet(upstream, tmp_path, f"{blind} {redis.server.url}", f"{database} {redis.server.url}") as fleet:
            proxy.cut()
            assert fleet.ask("k", 0).told == LOST
            first = fleet.ask("k", 1)
            assert first.told == "201 executed"
            redis.eventually_keeps(1)
            again = fleet.ask("k", 0)
            assert (again.told, again.body) == ("201 replayed", first.body)
            assert [fleet.ready(number).status for number in (0, 1)] == [503, 200]
    assert upstream.count("k") == 1


# Postgres is lost


def test_without_postgres_kept_answers_are_replayed_and_new_keys_are_refused_until_it_is_back(
    upstream: Upstream, postgres: Server, redis: Redis, fleet: Fleet
) -> None:
    kept = fleet.ask("kept").body
    gate = threading.Event()
    upstream.then(Play(answer(201, b"true"), gate=gate))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(fleet.ask, "meanwhile")
        upstream.wait_for(2)
        redis.eventually_keeps(1)
        postgres.stop()
        try:
            again = fleet.ask("kept")
            assert (again.told, again.body) == ("201 replayed", kept)
            assert fleet.ask("new").told == LOST
            assert fleet.ready().status == 503
            gate.set()
            heard = first.result()
            assert (heard.told, heard.body) == ("201 executed", b"true")
            assert heard.get("idempotency-recorded") == "false"
            assert fleet.ask("meanwhile").told == LOST
            assert len(upstream.log) == 2, "I3: answered 503, and executed"
        finally:
            postgres.start()
    eventually(lambda: fleet.ready().status == 200)
    assert fleet.ask("new").told == "201 executed"
    eventually(lambda: fleet.ask("meanwhile").told == "201 replayed")
    assert [fleet.ask(key).body for key in ("kept", "meanwhile")] == [kept, b"true"]
    assert Counter(logged.key for logged in upstream.log) == {"kept": 1, "meanwhile": 1, "new": 1}


# One role, and its price


@pytest.mark.parametrize("first", ["an authority", "a front"])
def test_a_redis_has_one_role_and_the_other_is_refused_at_the_start(
    upstream: Upstream, redis: Redis, tiered: str, tmp_path: Path, first: str
) -> None:
    roles = {"an authority": redis.server.url, "a front": tiered}
    with AskingFleet(upstream, tmp_path, roles.pop(first)) as fleet:
        (other,) = roles.values()
        words = [word for url in other.split() for word in ("--store", url)]
        refused = run("serve", *anywhere(upstream.port), *words, folder=tmp_path)
        assert refused.returncode == 2
        assert len(refused.stderr.strip().splitlines()) == 1
        assert f"this Redis is marked as '{first.split()[1]}" in refused.stderr
        assert fleet.ask("k").told == "201 executed", "who was there first goes on"


def test_a_first_call_costs_two_commits_and_two_trips_and_a_replay_one_trip(
    upstream: Upstream, postgres: Server, redis: Redis, fleet: Fleet
) -> None:
    keys = [f"{number}" for number in range(20)]

    def commits() -> int:
        # A number is given to a transaction when it first changes something, and to no other.
        (row,) = postgres.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
        return int(row[0])

    def trips() -> dict[str, int]:
        told: dict[str, dict[str, int]] = redis.server.ask.info("commandstats")
        counted = {name.removeprefix("cmdstat_"): each["calls"] for name, each in told.items()}
        return {name: calls for name, calls in counted.items() if name not in {"info", "config|resetstat"}}

    fleet.ask("first")  # On new connections.
    redis.eventually_keeps(1)
    before = commits()
    redis.server.ask.config_resetstat()
    assert {fleet.ask(key).told for key in keys} == {"201 executed"}
    eventually(lambda: trips().get("set") == len(keys))
    # The script that keeps a copy is one trip; what it does there is counted beside it.
    kept = {"evalsha": len(keys), "getrange": len(keys), "set": len(keys)}
    assert trips() == {"get": len(keys), **kept}
    assert commits() - before == 2 * len(keys)

    def replays() -> tuple[dict[str, int], int]:
        before = commits()
        redis.server.ask.config_resetstat()
        assert {fleet.ask(key).told for key in keys} == {"201 replayed"}
        return trips(), commits() - before

    # On a busy machine an answer may come later than its budget; that replay is Postgres', and its copy is renewed.
    late = 'front_asked_total{result="fault"}'
    faults, price = fleet.metric(late), replays()
    while (seen := fleet.metric(late)) != faults:
        faults, price = seen, replays()
    assert price == ({"get": len(keys)}, 0)
    assert len(upstream.log) == 21
