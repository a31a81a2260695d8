"""Counts and distributions add up: in a process, over processes, and as Prometheus has them."""

import subprocess
import sys
from datetime import timedelta

from gateway.protocol import observations as seen
from gateway.protocol.dossier import Open, State
from gateway.telemetry.exposition import text
from gateway.telemetry.metrics import Metrics, families, lasting, summed


def answered(added: float) -> seen.Answered:
    return seen.Answered("api", "executed", 201, added, 0.0, added)


def exposition(*parts: Metrics) -> dict[str, float]:
    """Every sample by its line."""
    old = Open("api", State.UNKNOWN, 2, timedelta(minutes=3))
    counts = summed([part.snapshot() for part in parts])
    lines = text(families(counts, {"unknown": 2}, [old])).decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def test_a_distribution_is_the_sum_of_all_processes() -> None:
    one, other = Metrics(["api"]), Metrics(["api"])
    for added in (0.0004, 0.001, 0.2):
        one.observe(answered(added))
    other.observe(answered(200.0))
    told = exposition(one, other)
    series = 'idempotency_gateway_added_seconds_%s{%soutcome="executed",route="api"}'
    buckets = {
        bound: told[series % ("bucket", f'le="{bound}",')] for bound in ("0.0005", "0.001", "0.1", "0.25", "+Inf")
    }
    assert buckets == {"0.0005": 1, "0.001": 2, "0.1": 2, "0.25": 3, "+Inf": 4}
    assert told[series % ("count", "")] == 4
    assert abs(told[series % ("sum", "")] - 200.2014) < 1e-6


def test_a_call_whose_time_nobody_knows_is_counted_and_not_measured() -> None:
    metrics = Metrics(["api"])
    metrics.observe(seen.Answered("api", "rejected", 400))
    told = exposition(metrics)
    assert told['idempotency_gateway_calls_total{outcome="rejected",route="api"}'] == 1
    assert not [line for line in told if line.startswith("idempotency_gateway_added_seconds")]


def test_the_age_of_the_oldest_unknown_is_told() -> None:
    told = exposition(Metrics())
    assert told['idempotency_gateway_open_calls{route="api",state="unknown"}'] == 2
    assert told['idempotency_gateway_oldest_open_seconds{route="api",state="unknown"}'] == 180


def test_a_breaker_is_open_until_the_front_is_back_and_not_beyond_its_process() -> None:
    metrics = Metrics()
    metrics.observe(seen.FrontLost("gone"))
    assert exposition(metrics)['idempotency_gateway_breaker_open{store="front"}'] == 1
    assert "breaker_open" not in lasting(metrics.snapshot())
    assert lasting(metrics.snapshot())["front_lost"] == [([], 1)]
    metrics.observe(seen.FrontBack())
    assert 'idempotency_gateway_breaker_open{store="front"}' not in exposition(metrics)


def test_a_sweep_that_found_nothing_was_one_all_the_same() -> None:
    metrics = Metrics()
    metrics.observe(seen.Swept(0, 0, 0, 0, 0.02))
    told = exposition(metrics)
    assert told["idempotency_gateway_last_sweep_timestamp_seconds"] > 1.7e9
    assert told["idempotency_gateway_sweep_seconds_count"] == 1
    assert told['idempotency_gateway_swept_total{what="lapsed"}'] == 0


def test_nothing_that_exports_is_loaded_where_nothing_is_exported() -> None:
    program = (
        "import sys, gateway.wiring.running, gateway.wiring.worker\n"
        "exporting = ('opentelemetry.exporter', 'opentelemetry.sdk.trace', 'grpc', 'gateway.telemetry.tracing')\n"
        "sys.exit(', '.join(name for name in sys.modules if name.startswith(exporting)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
