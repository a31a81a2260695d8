"""Clients of others retry through faults by their own rules, and end with one execution and the right answer."""

import threading
from collections import Counter
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.clients.clients import CLIENTS, Client, by_stripe
from tests.faultproxy import Direction, proxying
from tests.process import Served, anywhere, serving
from tests.redis_servers import eventually
from tests.stage import call
from tests.upstream import Logged, Play, Upstream, answer, running_upstream

KEY = "order-4711"
CALLS = "idempotency_gateway_calls_total{"


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> Client:
    return CLIENTS[request.param]


def charged(number: int) -> dict[str, object]:
    """The charge of the upstream's nth execution."""
    return {"id": f"pi_{number}", "object": "payment_intent", "amount": 1250}


def executes(_: Logged, number: int) -> Play:
    body = f'{{"id": "pi_{number}", "object": "payment_intent", "amount": 1250}}'
    return Play(answer(200, body.encode(), ("Content-Type", "application/json")), then="keep")


@contextmanager
def gateway(upstream_port: int, folder: Path) -> Generator[Served]:
    with serving(*anywhere(upstream_port), folder=folder) as served:
        yield served


def told(served: Served) -> Counter[str]:
    """How often a gateway told a caller what, by ``Idempotency-Status``."""
    counts: Counter[str] = Counter()
    for line in call(served.admin_port, "GET", "/metrics", [], None).body.decode().splitlines():
        if line.startswith(CALLS):
            outcome = line.partition('outcome="')[2].partition('"')[0]
            counts[outcome] += int(float(line.rpartition(" ")[2]))
    return +counts


def test_an_answer_that_was_lost_on_its_way_is_got_by_the_retry(
    client: Client, upstream: Upstream, tmp_path: Path
) -> None:
    upstream.by_key = executes
    with gateway(upstream.port, tmp_path) as served, proxying(served.port) as proxy:
        proxy.down = Direction(resets=True)
        assert client(proxy.port, KEY) == charged(1)
        assert told(served) == {"executed": 1, "replayed": 1}
    assert [logged.key for logged in upstream.log] == [KEY]


def test_what_was_not_sent_is_sent_when_the_upstream_is_back(client: Client, unused_port: int, tmp_path: Path) -> None:
    with gateway(unused_port, tmp_path) as served, ThreadPoolExecutor(1) as pool:
        charge = pool.submit(client, served.port, KEY)
        eventually(lambda: told(served)["not-executed"] > 0)
        with running_upstream(unused_port) as upstream:
            upstream.by_key = executes
            assert charge.result() == charged(1)
            assert told(served)["executed"] == 1
    assert [logged.key for logged in upstream.log] == [KEY]


def test_who_meets_its_own_first_call_in_flight_waits_and_gets_its_answer(
    client: Client, upstream: Upstream, tmp_path: Path
) -> None:
    gate = threading.Event()
    upstream.then(Play(executes(Logged("", (), b""), 1).data, then="keep", gate=gate))
    with gateway(upstream.port, tmp_path) as served, ThreadPoolExecutor(2) as pool:
        first = pool.submit(client, served.port, KEY)
        upstream.wait_for(1)
        second = pool.submit(client, served.port, KEY)
        eventually(lambda: told(served)["in-flight"] > 0)
        gate.set()
        assert first.result() == second.result() == charged(1)
        assert (told(served)["executed"], told(served)["replayed"]) == (1, 1)
    assert [logged.key for logged in upstream.log] == [KEY]


def test_what_nobody_knows_is_asked_of_an_api_that_recognises_the_key(
    client: Client, upstream: Upstream, tmp_path: Path
) -> None:
    """``stripe.yaml`` of docs/unknown.md: executed, its answer lost, sent again, recognised."""
    upstream.by_key = executes
    upstream.then(Play(then="reset"), executes(Logged("", (), b""), 1))
    (tmp_path / "gateway.yaml").write_text(
        f"""
        listen: 127.0.0.1:0
        admin: {{listen: "127.0.0.1:0"}}
        policy: {{on_unknown: retry, upstream_retention: 24h}}
        routes: [{{name: stripe, upstream: {{url: "http://127.0.0.1:{upstream.port}"}}}}]
        """
    )
    with serving("--config", "gateway.yaml", folder=tmp_path) as served:
        assert client(served.port, KEY) == charged(1)
        assert client(served.port, KEY) == charged(1)
        assert told(served) == {"unknown": 1, "executed": 1, "replayed": 1}
    assert [logged.key for logged in upstream.log] == [KEY, KEY]


def test_the_keys_that_stripes_sdk_makes_by_itself_are_one_for_each_charge(upstream: Upstream, tmp_path: Path) -> None:
    upstream.by_key = executes
    with gateway(upstream.port, tmp_path) as served, proxying(served.port) as proxy:
        for number in (1, 2):
            proxy.down = Direction(resets=True)
            assert by_stripe(proxy.port, "") == charged(number)
        assert told(served) == {"executed": 2, "replayed": 2}
    assert len({logged.key for logged in upstream.log}) == len(upstream.log) == 2
