"""Two gateways on one Redis: killed in turn, and alone for a moment without it, they never send twice."""

import random
import signal
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from tests.process import anywhere, serving
from tests.redis_servers import VALKEY, RedisServer, eventually, running, start
from tests.scenarios.test_kills import SEED, Customers, Fleet, moody
from tests.stage import Heard, call, metric
from tests.upstream import Logged, Upstream

KEYS = 300
KILLS = 6


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with running(VALKEY, "--save", "", "--appendonly", "yes", "--appendfsync", "always") as lasting:
        yield lasting


class Pair:
    """Two gateways behind one name; a caller meets either."""

    def __init__(self, upstream: Upstream, folder: Path, url: str) -> None:
        self.both = [Fleet(upstream, folder, "--store", url) for _ in range(2)]
        self._chance = random.Random(SEED)

    def port(self) -> int:
        return self._chance.choice(self.both).port()


def charge(port: int, key: str) -> Heard:
    return call(port, "POST", "/c", [("Idempotency-Key", key)], f'{{"order": "{key}"}}'.encode())


def test_keys_through_two_gateways_that_are_killed_in_turn_are_executed_at_most_once_each(
    upstream: Upstream, tmp_path: Path, server: RedisServer
) -> None:
    upstream.by_key = moody
    pair = Pair(upstream, tmp_path, server.url)
    customers = Customers(pair)
    keys = [f"key-{number}" for number in range(KEYS)]
    with ThreadPoolExecutor(16) as pool:
        calls = [pool.submit(customers.charge, key) for key in keys]
        for kill in range(1, KILLS + 1):
            customers.wait_for(kill * KEYS // (KILLS + 1))
            killed = pair.both[kill % 2]
            killed.kill()
            killed.start()
        for finished in calls:
            finished.result()
    final = {key: charge(pair.port(), key) for key in keys}
    for fleet in pair.both:
        fleet.kill()

    executions: defaultdict[str, list[Logged]] = defaultdict(list)
    for logged in upstream.log:
        executions[logged.key].append(logged)
    assert {key: len(found) for key, found in executions.items() if len(found) > 1} == {}, "I1: executed twice"
    for key in keys:
        bodies = {heard.body for heard in [*customers.heard[key], final[key]] if heard.status == 201}
        assert len(bodies) <= 1, "I2: two answers for one key"
    told = [heard.told for heard in final.values()]
    assert told.count("201 replayed") > KEYS * 0.8, "most calls end well, or this test shows nothing"


def test_one_key_through_two_gateways_at_once_is_executed_once(
    upstream: Upstream, tmp_path: Path, server: RedisServer
) -> None:
    options = (*anywhere(upstream.port), "--store", server.url)
    with (
        serving(*options, folder=tmp_path) as one,
        serving(*options, folder=tmp_path) as two,
        ThreadPoolExecutor(40) as pool,
    ):
        for number in range(10):
            heard = list(pool.map(charge, [one.port, two.port] * 20, [f"{number}"] * 40))
            assert upstream.count(f"{number}") == 1
            assert {each.told for each in heard} <= {"201 executed", "201 replayed", "409 in-flight in-flight"}
            assert [each.told for each in heard].count("201 executed") == 1


def test_a_redis_that_is_killed_costs_503_and_one_that_comes_back_with_its_file_remembers(
    upstream: Upstream, tmp_path: Path
) -> None:
    lasting = ("--save", "", "--appendonly", "yes", "--appendfsync", "always")
    server = start(VALKEY, *lasting, folder=tmp_path)
    options = (*anywhere(upstream.port), "--store", server.url)
    with serving(*options, folder=tmp_path) as gateway:
        assert charge(gateway.port, "k").told == "201 executed"
        server.kill()
        for key in ("k", "new"):
            assert charge(gateway.port, key).told == "503 unavailable store-unavailable"
        assert call(gateway.admin_port, "GET", "/readyz", [], None).status == 503
        server = start(VALKEY, *lasting, folder=tmp_path, port=server.port)
        try:
            assert charge(gateway.port, "k").told == "201 replayed"
            assert charge(gateway.port, "new").told == "201 executed"
        finally:
            server.kill()
    assert [logged.key for logged in upstream.log] == ["k", "new"]


def test_a_redis_that_stands_still_costs_a_503_in_time_and_grants_that_it_makes_later_are_taken_back(
    upstream: Upstream, tmp_path: Path, server: RedisServer
) -> None:
    keys = [f"new-{number}" for number in range(8)]
    with (
        serving(*anywhere(upstream.port), "--store", server.url, folder=tmp_path) as gateway,
        ThreadPoolExecutor(len(keys)) as pool,
    ):
        assert charge(gateway.port, "k").told == "201 executed"
        server.process.send_signal(signal.SIGSTOP)
        try:
            refused = list(pool.map(partial(charge, gateway.port), keys))
        finally:
            server.process.send_signal(signal.SIGCONT)
        assert {each.told for each in refused} == {"503 unavailable store-unavailable"}
        assert len(upstream.log) == 1, "I3: answered 503, and executed"
        taken_back = 'idempotency_gateway_grants_taken_back_total{route="default"}'
        eventually(lambda: metric(gateway.admin_port, taken_back) == len(keys))
        assert {charge(gateway.port, key).told for key in keys} == {"201 executed"}
    assert sorted(logged.key for logged in upstream.log) == ["k", *keys]


def test_a_redis_that_comes_back_empty_grants_nothing_to_a_gateway_that_knew_it_before(
    upstream: Upstream, tmp_path: Path, server: RedisServer
) -> None:
    options = (*anywhere(upstream.port), "--store", server.url)
    with serving(*options, folder=tmp_path) as gateway:
        assert charge(gateway.port, "k").told == "201 executed"
        server.ask.flushall()
        assert charge(gateway.port, "k").told == "503 unavailable store-unavailable"
        ready = call(gateway.admin_port, "GET", "/readyz", [], None)
        assert ready.status == 503
        assert b"emptied or replaced" in ready.body
    # Started again, it takes the empty one as it is, and a key from before is new: what Redis alone can promise.
    with serving(*options, folder=tmp_path) as gateway:
        assert charge(gateway.port, "k").told == "201 executed"
    assert upstream.count("k") == 2
