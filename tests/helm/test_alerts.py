"""Alerts fire in the state that they describe: the chart's rules, put by ``promtool`` to metrics of real gateways."""

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from functools import cache
from itertools import count
from pathlib import Path

from ruamel.yaml import YAML

from gateway.protocol.fingerprint import key_digest
from tests.cli.test_workers import workers_of
from tests.conftest import Begin
from tests.helm.rendering import Manifest, one, rendered, values_of
from tests.helm.values_schema import CHART
from tests.postgres import Servers
from tests.process import anywhere, serving
from tests.redis_servers import IN_MEMORY, eventually
from tests.scenarios.tiers import Redis
from tests.stage import Stage, call, metric, playing
from tests.upstream import Play, Upstream, answer

PROMTOOL = shutil.which("promtool") or ""
LABELS = 'namespace="prod",service="pay-idempotency-gateway-admin"'
PREFIX = "idempotency_gateway_"

# Samples that time itself changes: the instant of a sweep, told here by its age, and since when a call has been open.
SWEPT, OPEN = f"{PREFIX}last_sweep_timestamp_seconds", f"{PREFIX}oldest_open_seconds"

# When it is looked who is called: the newest while counters still grow, and long after.
LOOKS = ("19m", "23m", "31m")


def scrape(port: int) -> dict[str, float]:
    """Every sample that a scrape gives, with the labels that Prometheus adds."""
    found: dict[str, float] = {}
    for line in call(port, "GET", "/metrics", [], None).body.decode().splitlines():
        if line.startswith("#"):
            continue
        name, labels, value = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line).groups()  # type: ignore[union-attr]
        sample = float(value) - time.time() if name == SWEPT else float(value)
        found[f"{name}{{{','.join(filter(None, [labels, LABELS]))}}}"] = sample
    return found


def swept(stage: Stage) -> dict[str, float]:
    """A scrape after the first sweep has come to its end."""
    eventually(lambda: stage.metric(SWEPT) > 0)
    return scrape(stage.admin_port)


@cache
def rules() -> Manifest:
    spec: Manifest = one(rendered(values_of(CHART / "ci" / "everything-values.yaml")), "PrometheusRule")["spec"]
    return spec


def firing(folder: Path, before: dict[str, float], after: dict[str, float], *, sweeping: bool = True) -> set[str]:
    """The alerts that fire while, or soon after, the first scrape becomes the second one in ten minutes. ``sweeping``:
    sweeps go on all the time."""
    names = [rule["alert"] for group in rules()["groups"] for rule in group["rules"]]
    series = [
        {"series": name, "values": values(name, before, after, sweeping=sweeping)} for name in {**before, **after}
    ]
    test = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": series,
                "alert_rule_test": [
                    {"eval_time": time, "alertname": name, "exp_alerts": []} for time in LOOKS for name in names
                ],
            }
        ],
    }
    for name, content in (("rules.yaml", rules()), ("test.yaml", test)):
        with (folder / name).open("w") as out:
            YAML().dump(content, out)
    command = [PROMTOOL, "test", "rules", "test.yaml"]
    told = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert "parse error" not in told.stdout + told.stderr, told
    return set(re.findall(r"alertname: (\w+)", told.stdout + told.stderr))


def values(name: str, before: dict[str, float], after: dict[str, float], *, sweeping: bool) -> str:
    """A sample a minute: ten of the first scrape, which may not have had it; then it goes to the second one's in ten
    minutes, and stays. What the second scrape does not have any more is gone after the first ten."""
    first, last = before.get(name), after.get(name)
    if name.startswith(SWEPT):
        stands = sweeping or first is None
        return f"{first or last}+60x{60 if stands else 10}" + ("" if stands else f" {(first or 0) + 600}+0x50")
    if last is None:
        return f"{first}+0x10 stale"
    start = "_x10" if first is None else f"{first}+0x10"
    if name.startswith(OPEN):
        return f"{start} {last}+60x50"
    rising = " ".join(str((first or 0) + (last - (first or 0)) * minute / 10) for minute in range(1, 11))
    return f"{start} {rising} {last}+0x40"


def test_an_outcome_that_stays_unknown_calls_somebody_and_a_quiet_gateway_nobody(begin: Begin, tmp_path: Path) -> None:
    stage = begin()
    assert stage.post("fine").told == "201 executed"
    quiet = swept(stage)
    assert firing(tmp_path, quiet, quiet) == set()
    stage.upstream.then(Play(then="reset"))
    assert stage.post("lost").told == "502 unknown outcome-unknown"
    assert firing(tmp_path, quiet, scrape(stage.admin_port)) == {"IdempotencyGatewayUnknownOutcomes"}


def test_an_upstream_that_loses_answer_after_answer_calls_somebody(upstream: Upstream, tmp_path: Path) -> None:
    with playing(upstream, "memory:", tmp_path, "policy: {on_unknown: fail}") as stage:
        before = swept(stage)
        for number in range(6):
            stage.upstream.then(Play(then="reset"))
            assert stage.post(f"k{number}").status == 502
        after = scrape(stage.admin_port)
        assert firing(tmp_path, before, after) == {"IdempotencyGatewayOutcomesLost"}
        assert firing(tmp_path, after, after) == set(), "what was lost earlier calls nobody again"


@contextmanager
def without(file: Path, table: str) -> Generator[None]:
    """Nothing that needs the table can be done."""
    with closing(sqlite3.connect(file, isolation_level=None)) as thief:
        thief.execute(f"ALTER TABLE {table} RENAME TO elsewhere")
        yield
        thief.execute(f"ALTER TABLE elsewhere RENAME TO {table}")


def test_a_store_that_does_not_answer_calls_somebody_whether_calls_come_or_none_do(
    upstream: Upstream, tmp_path: Path
) -> None:
    file = tmp_path / "gateway.db"
    with playing(upstream, f"sqlite:///{file}", tmp_path) as stage:
        before = swept(stage)
        with without(file, "records"):
            alone = scrape(stage.admin_port)
            assert firing(tmp_path, before, alone) == {"IdempotencyGatewayStoreUnavailable"}
            assert stage.post("k").told == "503 unavailable store-unavailable"
            refused = scrape(stage.admin_port) | {name: before[name] for name in before if name not in alone}
            assert firing(tmp_path, before, refused) == {"IdempotencyGatewayStoreUnavailable"}


def test_calls_that_are_sent_without_the_store_call_somebody(upstream: Upstream, tmp_path: Path) -> None:
    file = tmp_path / "gateway.db"
    with playing(upstream, f"sqlite:///{file}", tmp_path, "policy: {on_store_down: pass}") as stage:
        before = swept(stage)
        with without(file, "records"):
            assert stage.post("k").told == "201 unguarded"
        sent = scrape(stage.admin_port)
        assert firing(tmp_path, before, sent) == {
            "IdempotencyGatewaySentUnguarded",
            "IdempotencyGatewayStoreUnavailable",
        }


def test_a_record_that_does_not_open_calls_somebody(upstream: Upstream, tmp_path: Path) -> None:
    file = tmp_path / "gateway.db"
    with playing(upstream, f"sqlite:///{file}", tmp_path) as stage:
        assert stage.post("k").told == "201 executed"
        before = swept(stage)
        with closing(sqlite3.connect(file, isolation_level=None)) as vandal:
            vandal.execute("UPDATE records SET body = x'00'")
        assert stage.post("k").told == "500 unavailable record-unreadable"
        # Among many calls that are answered.
        assert {stage.post(f"k{number}").told for number in range(20)} == {"201 executed"}
        assert firing(tmp_path, before, scrape(stage.admin_port)) == {"IdempotencyGatewayRecordUnreadable"}


def test_a_redis_in_front_that_is_gone_calls_somebody_until_it_is_back(
    upstream: Upstream, servers: Servers, tmp_path: Path
) -> None:
    redis, numbers = Redis.begin(tmp_path / "redis", *IN_MEMORY), count()
    with servers.get().database() as url, playing(upstream, f"{url} {redis.server.url}", tmp_path) as stage:
        before = swept(stage)
        redis.kill()
        eventually(
            lambda: stage.post(f"{next(numbers)}").status == 201 and stage.metric(f"{PREFIX}front_lost_total") > 0
        )
        lost = scrape(stage.admin_port)
        assert firing(tmp_path, before, lost) == {"IdempotencyGatewayFrontLost"}
        redis.come_back()
        eventually(
            lambda: stage.post(f"{next(numbers)}").status == 201 and stage.metric(f"{PREFIX}front_back_total") > 0
        )
        back = scrape(stage.admin_port)
        assert firing(tmp_path, back, back) == set()
    redis.kill()


def test_answers_that_reach_callers_before_the_store_has_them_call_somebody(upstream: Upstream, tmp_path: Path) -> None:
    gate, keys = threading.Event(), [f"k{number}" for number in range(6)]
    file = tmp_path / "gateway.db"
    with playing(upstream, f"sqlite:///{file}", tmp_path) as stage:
        upstream.then(*(Play(answer(201), gate=gate) for _ in keys))
        before = swept(stage)
        calls = [stage.meanwhile(key) for key in keys]
        upstream.wait_for(len(keys))
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            gate.set()
            assert {call.result().get("idempotency-recorded") for call in calls} == {"false"}
        eventually(lambda: {stage.post(key).told for key in keys} == {"201 replayed"})
        assert firing(tmp_path, before, scrape(stage.admin_port)) == {"IdempotencyGatewayAnswersUnwritten"}


def test_sweeps_that_do_not_come_to_their_end_call_somebody(upstream: Upstream, tmp_path: Path) -> None:
    file = tmp_path / "gateway.db"
    with playing(upstream, f"sqlite:///{file}", tmp_path) as stage:
        before = swept(stage)
        assert firing(tmp_path, before, before, sweeping=False) == {"IdempotencyGatewaySweepStalled"}
    with without(file, "erasures"), playing(upstream, f"sqlite:///{file}", tmp_path) as stage:
        eventually(lambda: stage.metric(f'{PREFIX}store_faults_total{{operation="sweep"}}') > 0)
        never = scrape(stage.admin_port)
        assert firing(tmp_path, never, never) == {"IdempotencyGatewaySweepStalled"}


def test_more_calls_at_once_than_there_is_room_for_call_somebody(upstream: Upstream, tmp_path: Path) -> None:
    gate = threading.Event()
    with playing(upstream, "memory:", tmp_path, "calls: {max: 1}") as stage:
        upstream.then(Play(answer(201), gate=gate))
        before = swept(stage)
        first = stage.meanwhile("a")
        upstream.wait_for(1)
        assert stage.post("b").told == "503 unavailable overloaded"
        gate.set()
        assert first.result().status == 201
        assert firing(tmp_path, before, scrape(stage.admin_port)) == {"IdempotencyGatewayOverloaded"}


def test_callers_who_are_turned_away_and_keys_that_cannot_be_read_call_somebody(
    upstream: Upstream, tmp_path: Path
) -> None:
    key, keys = "igk_the-key-of-the-shop-01", tmp_path / "keys"
    keys.write_text(f"sha256:{key_digest(key.encode()).hex()}\n")
    callers = f"callers: [{{name: shop, key: 'file://{keys}'}}]"
    with playing(upstream, "memory:", tmp_path, callers) as stage:
        assert stage.post("k", b"{}", ("X-Gateway-Key", key)).told == "201 executed"
        before = swept(stage)
        assert stage.post("k").status == 401
        refused = scrape(stage.admin_port)
        assert firing(tmp_path, before, refused) == {"IdempotencyGatewayCallersRefused"}
        keys.write_text("nonsense")
        eventually(lambda: stage.metric(f"{PREFIX}caller_keys_unreadable_total") > 0)
        assert firing(tmp_path, refused, scrape(stage.admin_port)) == {"IdempotencyGatewayCallerKeysUnread"}


def test_a_worker_that_ends_calls_somebody(upstream: Upstream, tmp_path: Path) -> None:
    with serving(*anywhere(upstream.port), "--workers", "2", folder=tmp_path) as served:
        eventually(lambda: metric(served.admin_port, SWEPT) > 0)
        before = scrape(served.admin_port)
        os.kill(workers_of(served)[0], signal.SIGKILL)
        ended = f'{PREFIX}workers_ended_total{{code="-9"}}'
        eventually(lambda: metric(served.admin_port, ended) > 0)
        assert firing(tmp_path, before, scrape(served.admin_port)) == {"IdempotencyGatewayWorkerEnded"}
        assert served.stop() == 0


def test_a_secret_that_cannot_be_read_again_calls_somebody(upstream: Upstream, tmp_path: Path) -> None:
    file = tmp_path / "credential"
    file.write_text("a good one")
    text = f"upstream: {{headers: {{set: {{X-Api-Key: 'file://{file}'}}}}}}"
    with playing(upstream, "memory:", tmp_path, text) as stage:
        before = swept(stage)
        file.unlink()
        eventually(lambda: stage.metric(f"{PREFIX}secrets_stale") == 1)
        assert firing(tmp_path, before, scrape(stage.admin_port)) == {"IdempotencyGatewaySecretStale"}


def test_a_fault_of_the_gateway_calls_somebody(upstream: Upstream, tmp_path: Path) -> None:
    with playing(upstream, "memory:", tmp_path) as stage:
        before = swept(stage)
        name = f'{PREFIX}internal_faults_total{{route="api",{LABELS}}}'
        assert before[name] == 0, "a counter that is not there before its first event has no increase"
        assert firing(tmp_path, before, {**before, name: 1.0}) == {"IdempotencyGatewayInternalFault"}
