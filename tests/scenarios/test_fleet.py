"""Two gateways on one Postgres: killed at any moment, and cut off from it, they execute no key twice between them."""

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tests.faultproxy import Direction, proxying
from tests.postgres import Server
from tests.scenarios.fleet import Fleet, finally_told, hold_together, through
from tests.scenarios.test_kills import moody
from tests.upstream import Play, Upstream, answer

KEYS = 400
KILLS = 8


def test_hundreds_of_keys_on_two_gateways_through_kills_are_executed_at_most_once_each(
    upstream: Upstream, database: str, tmp_path: Path
) -> None:
    upstream.by_key = moody
    keys = [f"key-{number}" for number in range(KEYS)]
    with Fleet(upstream, tmp_path, database, database) as fleet:
        attempts = through(fleet, keys, [partial(fleet.replace, kill % 2) for kill in range(KILLS)])
    hold_together(upstream, attempts)
    finally_told(attempts, keys)


def test_a_gateway_that_is_cut_off_sends_nothing_and_leaves_the_key_to_the_other(
    upstream: Upstream, postgres: Server, database: str, tmp_path: Path
) -> None:
    with (
        proxying(postgres.port) as proxy,
        Fleet(upstream, tmp_path, database.replace(f":{postgres.port}/", f":{proxy.port}/"), database) as fleet,
    ):
        assert fleet.ask("before", 0).told == "201 executed"
        proxy.up = Direction(swallows=True)
        refused = fleet.ask("k", 0)
        assert refused.told == "503 unavailable store-unavailable"
        assert upstream.count("k") == 0, "I3: answered 503, and executed"
        assert fleet.ask("k", 1).told == "201 executed"
        assert fleet.ask("before", 1).told == "201 replayed"
        proxy.heal()
        assert upstream.count("k") == upstream.count("before") == 1


def test_three_callers_of_one_key_on_two_gateways_meet_one_execution(
    upstream: Upstream, database: str, tmp_path: Path
) -> None:
    gate = threading.Event()
    upstream.then(Play(answer(201, b"once"), gate=gate))
    with Fleet(upstream, tmp_path, database, database) as fleet, ThreadPoolExecutor(1) as pool:
        first = pool.submit(fleet.ask, "k", 0)
        upstream.wait_for(1)
        assert [fleet.ask("k", number).told for number in (0, 1)] == ["409 in-flight in-flight"] * 2
        gate.set()
        assert first.result().told == "201 executed"
        assert [fleet.ask("k", number).told for number in (0, 1)] == ["201 replayed"] * 2
    assert upstream.count("k") == 1
