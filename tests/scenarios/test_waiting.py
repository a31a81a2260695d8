"""``on_conflict: wait`` on three gateways at once: one execution, and one answer for everybody, at once."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.process import serving
from tests.scenarios.tiers import Redis
from tests.stage import Heard, call, metric
from tests.upstream import Play, Upstream, answer

CROWD = 20
WAITS = 'idempotency_gateway_waits_total{route="api"}'
CONFIGURATION = """
listen: 127.0.0.1:0
admin: {{listen: "127.0.0.1:0"}}
policy: {{on_conflict: wait}}
routes:
  - name: api
    upstream: {{url: "http://127.0.0.1:{port}"}}
"""


class Crowd:
    """Callers of one key on each of several gateways."""

    def __init__(self, ports: list[int]) -> None:
        self.heard: list[Heard] = []
        self._threads = [threading.Thread(target=self._call, args=(port,)) for port in ports for _ in range(CROWD)]
        for thread in self._threads:
            thread.start()

    def _call(self, port: int) -> None:
        self.heard.append(call(port, "POST", "/c", [("Idempotency-Key", "k")], b"{}"))

    def until_answered(self) -> None:
        for thread in self._threads:
            thread.join(30)


@pytest.fixture(params=["sqlite", "postgres", "redis", "tiered"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    match request.param:
        case "sqlite":
            return f"sqlite:///{tmp_path / 'shared.db'}"
        case "postgres":
            return str(request.getfixturevalue("database"))
        case "redis":
            redis: Redis = request.getfixturevalue("redis")
            return redis.server.url
        case _:
            return str(request.getfixturevalue("tiered"))


@pytest.fixture
def gateways(upstream: Upstream, stores: str, tmp_path: Path) -> Iterator[list[tuple[int, int]]]:
    """The data and admin ports of three."""
    file = tmp_path / "gateway.yaml"
    file.write_text(CONFIGURATION.format(port=upstream.port))
    options = [word for url in stores.split() for word in ("--store", url)]
    with ExitStack() as stack:
        served = [stack.enter_context(serving("--config", str(file), *options, folder=tmp_path)) for _ in range(3)]
        yield [(each.port, each.admin_port) for each in served]


def test_a_crowd_on_three_gateways_waits_for_one_execution_and_hears_its_answer(
    upstream: Upstream, gateways: list[tuple[int, int]]
) -> None:
    gate = threading.Event()
    upstream.then(Play(answer(201, b"the one"), gate=gate))
    crowd = Crowd([port for port, _ in gateways])
    while sum(metric(admin, WAITS) for _, admin in gateways) < 3 * CROWD - 1:
        assert not crowd.heard, crowd.heard
    gate.set()
    begun = time.monotonic()
    crowd.until_answered()
    assert time.monotonic() - begun < 10
    assert sorted(heard.told for heard in crowd.heard) == ["201 executed", *["201 replayed"] * (3 * CROWD - 1)]
    assert {heard.body for heard in crowd.heard} == {b"the one"}
    assert upstream.count("k") == 1


def test_of_a_crowd_on_three_gateways_one_more_is_sent_when_the_first_was_not_executed(
    upstream: Upstream, gateways: list[tuple[int, int]]
) -> None:
    gate = threading.Event()
    upstream.then(Play(answer(429), gate=gate))
    crowd = Crowd([port for port, _ in gateways])
    while sum(metric(admin, WAITS) for _, admin in gateways) < 3 * CROWD - 1:
        assert not crowd.heard, crowd.heard
    gate.set()
    crowd.until_answered()
    told = sorted(heard.told for heard in crowd.heard)
    assert told == ["201 executed", *["201 replayed"] * (3 * CROWD - 2), "429 not-executed"]
    assert upstream.count("k") == 2
