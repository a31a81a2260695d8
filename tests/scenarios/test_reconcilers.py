"""Reconcilers of two gateways on one Postgres: each call is decided once, also when one is killed while it asks."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.protocol.dossier import RECONCILER, Happening
from gateway.protocol.model import RecordId
from tests.ledger import Ledger, Mood, order
from tests.postgres import Server
from tests.process import Served, start
from tests.redis_servers import eventually
from tests.scenarios.four_policies import KEYS
from tests.stage import Heard, call, metric
from tests.stores.backends import Bench, PostgresBackend
from tests.stores.registry import records
from tests.upstream import Play, Upstream

CALLS = 24
CONFIGURATION = """
listen: 127.0.0.1:0
admin: {{listen: 127.0.0.1:0}}
routes:
  - name: api
    upstream: {{url: "http://127.0.0.1:{port}", timeout: {{connect: 2s, response: 5s, total: 5s}}}}
    policy:
      on_unknown: reconcile
      reconcile:
        request: {{path: "/charges?reference={{body:/reference}}", timeout: 500ms}}
        rules:
          - found:
              first: /data
              where: [{{pointer: /reference, equals: "{{body:/reference}}"}}]
              answer: {{status: 201}}
          - not_found: {{empty: /data}}
        pause: {{first: 50ms, longest: 100ms}}
"""


@pytest.fixture
def pair(upstream: Upstream, database: str, tmp_path: Path) -> Iterator[list[Served]]:
    """The first of two gateways; ``another`` opens the second."""
    (tmp_path / "gateway.yaml").write_text(KEYS + CONFIGURATION.format(port=upstream.port))
    opened: list[Served] = []
    yield opened
    for served in opened:
        served.kill()


def another(pair: list[Served], folder: Path, database: str) -> Served:
    pair.append(
        start("--config", str(folder / "gateway.yaml"), "--store", database, "--log-level", "debug", folder=folder)
    )
    return pair[-1]


def charge(gateway: Served, key: str) -> Heard:
    return call(gateway.port, "POST", "/charges", [("Idempotency-Key", key)], order(key))


def decided(gateway: Served, verdict: str = "settled") -> float:
    name = "idempotency_gateway_reconciled_total"
    return metric(gateway.admin_port, f'{name}{{route="api",verdict="{verdict}"}}')


def lost(gateway: Served, ledger: Ledger, key: str) -> str:
    """A call that was executed and whose answer was lost; its name."""
    ledger.mood_of[key] = Mood(True, Play(then="reset"))
    heard = charge(gateway, key)
    assert heard.told == "502 unknown outcome-unknown"
    return str(heard.problem["instance"])


def test_two_reconcilers_side_by_side_decide_each_call_once(
    pair: list[Served], upstream: Upstream, database: str, tmp_path: Path
) -> None:
    ledger = Ledger(upstream)
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: another(pair, tmp_path, database), range(2)))
    keys = [f"k{number}" for number in range(CALLS)]
    with ThreadPoolExecutor(8) as callers:
        list(callers.map(lambda number: lost(both[number % 2], ledger, keys[number]), range(CALLS)))
        eventually(lambda: sum(map(decided, both)) == CALLS)
        heard = list(callers.map(lambda key: charge(both[0], key), keys))
    assert {each.told for each in heard} == {"201 replayed"}
    assert [each.body for each in heard] == [ledger.receipt(key) for key in keys]
    assert ledger.charged == dict.fromkeys(keys, 1)
    assert ledger.sent == dict.fromkeys(keys, 1)


def test_a_reconciler_that_is_killed_while_it_asks_leaves_the_call_to_another_which_settles_it_once(
    pair: list[Served], upstream: Upstream, database: str, postgres: Server, tmp_path: Path
) -> None:
    ledger = Ledger(upstream)
    first = another(pair, tmp_path, database)
    ledger.down = Play(then="hang")
    instance = lost(first, ledger, "canary")
    ledger.wait_for_questions(1)
    first.kill()
    ledger.down = None
    second = another(pair, tmp_path, database)
    eventually(lambda: decided(second) == 1)
    replayed = charge(second, "canary")
    assert (replayed.told, replayed.body) == ("201 replayed", ledger.receipt("canary"))
    assert (ledger.sent["canary"], ledger.charged["canary"]) == (1, 1)
    with Bench(PostgresBackend(postgres, database)) as bench:
        shown = bench.run(records(bench).dossier(RecordId(bytes.fromhex(instance.rpartition(":")[2]))))
    assert shown is not None
    assert [(each.what, each.fence) for each in shown.history] == [
        (Happening.GRANTED, 1),
        (Happening.UNKNOWN, 1),
        (Happening.COMPLETED, 2),
    ]
    assert (shown.history[-1].by, shown.history[-1].note) == (RECONCILER, "rule 1: found")
    assert second.stop() == 0
    lines = second.logged()
    assert [(line["verdict"], line["note"]) for line in lines if line["event"] == "reconciled"] == [
        ("settled", "rule 1: found")
    ]
    assert [line["result"] for line in lines if line["event"] == "inquired"] == ["found"]
    assert "canary" not in json.dumps(lines)
