"""Alerts fire in the state that they describe: the chart's rules, put by ``promtool`` to metrics of real gateways."""

import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from ruamel.yaml import YAML

from tests.conftest import Begin
from tests.helm.rendering import Manifest, one, rendered, values_of
from tests.helm.values_schema import CHART
from tests.postgres import Servers
from tests.redis_servers import IN_MEMORY
from tests.scenarios.tiers import Redis
from tests.stage import Stage, playing
from tests.upstream import Play, Upstream

PROMTOOL = shutil.which("promtool") or ""
LABELS = 'namespace="prod",service="pay-idempotency-gateway-admin"'


def scrape(stage: Stage) -> dict[str, float]:
    """Every sample that a scrape gives, with the labels that Prometheus adds."""
    found: dict[str, float] = {}
    for line in stage.admin("/metrics").body.decode().splitlines():
        if line.startswith("#"):
            continue
        name, labels, value = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line).groups()  # type: ignore[union-attr]
        found[f"{name}{{{','.join(filter(None, [labels, LABELS]))}}}"] = float(value)
    return found


def firing(folder: Path, before: dict[str, float], after: dict[str, float]) -> set[str]:
    """The alerts that fire while, or soon after, the first scrape becomes the second one in ten minutes."""
    rules: Manifest = one(rendered(values_of(CHART / "ci" / "everything-values.yaml")), "PrometheusRule")["spec"]
    names = [rule["alert"] for group in rules["groups"] for rule in group["rules"]]
    series = [{"series": name, "values": values(before.get(name), value)} for name, value in after.items()]
    test = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": series,
                "alert_rule_test": [
                    {"eval_time": time, "alertname": name, "exp_alerts": []}
                    for time in ("19m", "26m")
                    for name in names
                ],
            }
        ],
    }
    for name, content in (("rules.yaml", rules), ("test.yaml", test)):
        with (folder / name).open("w") as out:
            YAML().dump(content, out)
    command = [PROMTOOL, "test", "rules", "test.yaml"]
    told = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert "parse error" not in told.stdout + told.stderr, told
    return set(re.findall(r"alertname: (\w+)", told.stdout + told.stderr))


def values(before: float | None, after: float) -> str:
    """A sample a minute: ten of the first scrape, which may not have had it; then it goes to the second one's in ten
    minutes, and stays."""
    first = "_x10" if before is None else f"{before}+0x10"
    rising = " ".join(str((before or 0) + (after - (before or 0)) * minute / 10) for minute in range(1, 11))
    return f"{first} {rising} {after}+0x40"


def test_an_outcome_that_stays_unknown_calls_somebody_and_a_quiet_gateway_nobody(begin: Begin, tmp_path: Path) -> None:
    stage = begin()
    assert stage.post("fine").told == "201 executed"
    quiet = scrape(stage)
    assert firing(tmp_path, quiet, quiet) == set()
    stage.upstream.then(Play(then="reset"))
    assert stage.post("lost").told == "502 unknown outcome-unknown"
    assert firing(tmp_path, quiet, scrape(stage)) == {"IdempotencyGatewayUnknownOutcomes"}


def test_an_upstream_that_loses_answer_after_answer_calls_somebody(upstream: Upstream, tmp_path: Path) -> None:
    with playing(upstream, "memory:", tmp_path, "policy: {on_unknown: fail}") as stage:
        before = lose(stage, range(1))
        assert firing(tmp_path, before, lose(stage, range(1, 10))) == {"IdempotencyGatewayOutcomesLost"}


def lose(stage: Stage, numbers: range) -> dict[str, float]:
    for number in numbers:
        stage.upstream.then(Play(then="reset"))
        assert stage.post(f"k{number}").status == 502
    return scrape(stage)


def test_a_store_that_does_not_answer_calls_somebody(upstream: Upstream, tmp_path: Path) -> None:
    with playing(upstream, f"sqlite:///{tmp_path / 'gateway.db'}", tmp_path) as stage:
        before = scrape(stage)
        with closing(sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)) as thief:
            thief.execute("ALTER TABLE records RENAME TO elsewhere")
        assert stage.post("k").told == "503 unavailable store-unavailable"
        assert firing(tmp_path, before, scrape(stage)) == {"IdempotencyGatewayStoreUnavailable"}


def test_a_redis_in_front_that_is_gone_calls_somebody_until_it_is_back(
    upstream: Upstream, servers: Servers, tmp_path: Path
) -> None:
    redis = Redis.begin(tmp_path / "redis", *IN_MEMORY)
    with servers.get().database() as url, playing(upstream, f"{url} {redis.server.url}", tmp_path) as stage:
        before = scrape(stage)
        redis.kill()
        number = 0
        while not stage.metric("idempotency_gateway_front_lost_total"):
            assert stage.post(f"k{number}").told == "201 executed"
            number += 1
        lost = scrape(stage)
        assert firing(tmp_path, before, lost) == {"IdempotencyGatewayFrontLost"}
        back = {**lost, f"idempotency_gateway_front_back_total{{{LABELS}}}": 1.0}
        assert firing(tmp_path, before, back) == set()


def test_a_fault_of_the_gateway_calls_somebody(upstream: Upstream, tmp_path: Path) -> None:
    with playing(upstream, "memory:", tmp_path) as stage:
        before = scrape(stage)
        name = f'idempotency_gateway_internal_faults_total{{route="api",{LABELS}}}'
        assert before[name] == 0, "a counter that is not there before its first event has no increase"
        assert firing(tmp_path, before, {**before, name: 1.0}) == {"IdempotencyGatewayInternalFault"}
