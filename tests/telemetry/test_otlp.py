"""Spans and metrics as a real OTLP collector receives them from a real gateway."""

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.ledger import Ledger, order
from tests.process import anywhere, serving
from tests.stage import call
from tests.telemetry.collector import WIRES, Collector, by_http, exporting, told
from tests.upstream import Play, Upstream, answer

CALLER = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
KEY = ("Idempotency-Key", "order-1")


@pytest.fixture
def collector() -> Iterator[Collector]:
    with by_http() as running:
        yield running


def post(port: int, *fields: tuple[str, str], body: bytes = b"{}") -> str:
    return call(port, "POST", "/charges", list(fields), body).told


def traceparent(span: Span) -> str:
    return f"00-{span.trace_id.hex()}-{span.span_id.hex()}-01"


@pytest.mark.parametrize("wire", WIRES)
def test_a_call_is_a_span_with_its_parts_and_a_replay_links_to_it(
    wire: str, upstream: Upstream, tmp_path: Path
) -> None:
    with (
        WIRES[wire]() as collector,
        serving(*anywhere(upstream.port), folder=tmp_path, environ=exporting(collector, wire)) as served,
    ):
        assert post(served.port, KEY, CALLER, ("tracestate", "vendor=1")) == "201 executed"
        (sent,) = collector.named("POST")
        (call_span,) = collector.named("POST default")
        (claim,), (settle,) = collector.named("claim"), collector.named("settle")
        assert (call_span.trace_id.hex(), call_span.parent_span_id.hex()) == tuple(CALLER[1].split("-")[1:3])
        assert {part.parent_span_id for part in (claim, sent, settle)} == {call_span.span_id}
        assert {part.trace_id for part in (claim, sent, settle)} == {call_span.trace_id}
        kinds = [span.kind for span in (call_span, claim, sent, settle)]
        assert kinds == [Span.SPAN_KIND_SERVER, Span.SPAN_KIND_INTERNAL, Span.SPAN_KIND_CLIENT, Span.SPAN_KIND_INTERNAL]
        assert claim.end_time_unix_nano <= sent.start_time_unix_nano < sent.end_time_unix_nano
        assert sent.end_time_unix_nano <= settle.start_time_unix_nano <= call_span.end_time_unix_nano
        record = told(call_span.attributes)["idempotency.record"]
        assert told(call_span.attributes) == {
            "http.request.method": "POST",
            "http.route": "default",
            "http.response.status_code": 201,
            "url.scheme": "http",
            "idempotency.status": "executed",
            "idempotency.record": record,
        }
        assert told(claim.attributes) == {"idempotency.store": "sqlite", "idempotency.claim": "granted"}
        assert told(sent.attributes) == {
            "http.request.method": "POST",
            "http.response.status_code": 201,
            "server.address": "127.0.0.1",
            "server.port": upstream.port,
        }
        (logged,) = upstream.log
        assert (logged.all("traceparent"), logged.all("tracestate")) == ([traceparent(sent)], ["vendor=1"])

        assert post(served.port, KEY) == "201 replayed"
        replay = collector.named("POST default", 2)[1]
        assert not replay.parent_span_id
        assert replay.trace_id != call_span.trace_id
        assert [(link.trace_id, link.span_id) for link in replay.links] == [(call_span.trace_id, call_span.span_id)]
        assert told(replay.attributes)["idempotency.record"] == record
        assert told(collector.named("claim", 2)[1].attributes)["idempotency.claim"] == "replay"
        who = told(collector.resources[0].attributes)
        assert who["service.name"] == "idempotency-gateway"
        assert who["process.pid"] == served.process.pid
        assert served.stop() == 0
        assert [line["event"] for line in served.logged()] == ["stopping", "stopped"]


def test_an_answer_that_comes_late_ends_the_upstreams_span_late(
    collector: Collector, upstream: Upstream, tmp_path: Path
) -> None:
    gate = threading.Event()
    upstream.then(Play(answer(201), gate=gate))
    (tmp_path / "gateway.yaml").write_text(
        "listen: 127.0.0.1:0\nadmin: {listen: '127.0.0.1:0'}\nstore: {memory: true}\nroutes:\n  - name: api\n"
        f"    upstream: {{url: 'http://127.0.0.1:{upstream.port}', timeout: {{response: 1s, total: 30s}}}}\n"
    )
    environ = exporting(collector, "http/protobuf")
    with serving("--config", "gateway.yaml", folder=tmp_path, environ=environ) as served:
        assert post(served.port, KEY) == "504 unknown outcome-unknown"
        (call_span,) = collector.named("POST api")
        assert call_span.status.code == Status.STATUS_CODE_ERROR
        assert told(call_span.attributes)["error.type"] == "504"
        assert "POST" not in collector.names
        gate.set()
        (sent,) = collector.named("POST")
        assert sent.parent_span_id == call_span.span_id
        assert sent.end_time_unix_nano > call_span.end_time_unix_nano
        assert told(collector.named("settle")[-1].attributes)["idempotency.settlement"] == "complete"


def test_a_call_that_waits_has_a_span_of_its_waiting(collector: Collector, upstream: Upstream, tmp_path: Path) -> None:
    gate = threading.Event()
    upstream.then(Play(answer(201), gate=gate))
    environ = exporting(collector, "http/protobuf", IDEMPOTENCY_GATEWAY_POLICY__ON_CONFLICT="wait")
    with (
        serving(*anywhere(upstream.port), folder=tmp_path, environ=environ) as served,
        ThreadPoolExecutor(2) as pool,
    ):
        first = pool.submit(post, served.port, KEY)
        upstream.wait_for(1)
        second = pool.submit(post, served.port, KEY)
        collector.named("wait")
        gate.set()
        assert (first.result(), second.result()) == ("201 executed", "201 replayed")
        spans = collector.named("POST default", 2)
        assert {span.parent_span_id for span in collector.named("wait")} == {
            span.span_id for span in spans if told(span.attributes)["idempotency.status"] == "replayed"
        }


RECONCILING = """
listen: 127.0.0.1:0
admin: {{listen: "127.0.0.1:0"}}
store: {{memory: true}}
routes:
  - name: api
    upstream: {{url: "http://127.0.0.1:{port}"}}
    policy:
      on_unknown: reconcile
      reconcile:
        request: {{path: "/charges?reference={{body:/reference}}"}}
        rules:
          - found:
              first: /data
              where: [{{pointer: /reference, equals: "{{body:/reference}}"}}]
              answer: {{status: 201}}
          - not_found: {{empty: /data}}
        pause: {{first: 20ms, longest: 50ms}}
"""


def test_a_reconcilers_question_is_a_trace_of_its_own_that_names_the_call_and_goes_on_to_the_upstream(
    collector: Collector, upstream: Upstream, tmp_path: Path
) -> None:
    ledger = Ledger(upstream)
    ledger.executed_then(Play(then="reset"))
    (tmp_path / "gateway.yaml").write_text(RECONCILING.format(port=upstream.port))
    environ = exporting(collector, "http/protobuf")
    with serving("--config", "gateway.yaml", folder=tmp_path, environ=environ) as served:
        assert post(served.port, KEY, CALLER, body=order("order-1")) == "502 unknown outcome-unknown"
        (inquiry,) = collector.named("inquiry")
        (call_span,) = collector.named("POST api")
        assert (inquiry.kind, inquiry.parent_span_id, list(inquiry.links)) == (Span.SPAN_KIND_CLIENT, b"", [])
        assert inquiry.trace_id != call_span.trace_id
        assert told(inquiry.attributes) == {
            "http.route": "api",
            "idempotency.inquiry": "found",
            "idempotency.record": told(call_span.attributes)["idempotency.record"],
        }
        (asked,) = ledger.asked
        assert asked.all("traceparent") == [traceparent(inquiry)]


def test_whoever_is_not_sampled_costs_no_span_and_goes_on_in_its_own_trace(
    collector: Collector, upstream: Upstream, tmp_path: Path
) -> None:
    environ = exporting(collector, "http/protobuf", OTEL_TRACES_SAMPLER="parentbased_always_off")
    with serving(*anywhere(upstream.port), folder=tmp_path, environ=environ) as served:
        assert post(served.port, KEY) == "201 executed"
        assert post(served.port, ("Idempotency-Key", "b"), CALLER) == "201 executed"
        unsampled = ("traceparent", CALLER[1][:-2] + "00")
        assert post(served.port, ("Idempotency-Key", "c"), unsampled) == "201 executed"
        assert post(served.port, ("traceparent", "00-nonsense"), ("tracestate", "left=1")) == "201 unguarded"
        collector.named("settle")
        assert served.stop() == 0
    assert collector.names.count("POST default") == 1
    parents = [logged.all("traceparent")[0] for logged in upstream.log]
    assert parents[0].endswith("-00")
    assert (parents[1][:36], parents[1][-3:]) == (CALLER[1][:36], "-01")
    assert parents[2] == unsampled[1]
    assert upstream.log[3].all("tracestate") == []


def test_metrics_come_of_all_workers_and_spans_of_each(
    collector: Collector, upstream: Upstream, tmp_path: Path
) -> None:
    environ = exporting(collector, "http/protobuf", OTEL_SERVICE_NAME="pay", OTEL_RESOURCE_ATTRIBUTES="team=core")
    with serving(*anywhere(upstream.port), "--workers", "2", folder=tmp_path, environ=environ) as served:
        with ThreadPoolExecutor(16) as pool:
            fields = [("Idempotency-Key", f"k{number}") for number in range(60)]
            assert set(pool.map(lambda key: post(served.port, key), fields)) == {"201 executed"}
        collector.named("POST default", 60)
        collector.until(lambda: counted(collector, "idempotency_gateway_calls", outcome="executed") == 60)
        scraped = call(served.admin_port, "GET", "/metrics", [], None).body.decode()
        samples = [line for line in scraped.splitlines() if not line.startswith("#")]
        exposed = {re.sub("(_bucket|_count|_sum|_total)?[{ ].*", "", line) for line in samples}
        assert exposed >= {"idempotency_gateway_records", "idempotency_gateway_last_sweep_timestamp_seconds"}
        collector.until(lambda: exposed <= {metric.name for metric in collector.metrics})
        assert served.stop() == 0
    (records,) = [metric for metric in collector.metrics if metric.name == "idempotency_gateway_records"][-1:]
    kept = {
        str(told(point.attributes)["state"]): point.as_double or point.as_int for point in records.gauge.data_points
    }
    assert kept["completed"] == 60
    assert 'idempotency_gateway_upstream_seconds_count{result="answered",route="default"} 60.0' in scraped
    for name in ("idempotency_gateway_upstream_seconds", "idempotency_gateway_added_seconds"):
        (point,) = [metric for metric in collector.metrics if metric.name == name][-1].histogram.data_points
        assert point.count == sum(point.bucket_counts) == 60
    processes = {told(resource.attributes)["process.pid"] for resource in collector.resources}
    assert len(processes) == 3, "two workers export spans, their parent metrics"
    assert {told(resource.attributes)["service.name"] for resource in collector.resources} == {"pay"}
    assert {told(resource.attributes)["team"] for resource in collector.resources} == {"core"}


def counted(collector: Collector, name: str, **labels: str) -> float:
    """The newest value of a counter."""
    for metric in reversed(collector.metrics):
        if metric.name == name:
            points = [each for each in metric.sum.data_points if labels.items() <= told(each.attributes).items()]
            return float(sum(point.as_double or point.as_int for point in points))
    return 0


@pytest.mark.parametrize("wire", WIRES)
def test_a_collector_that_is_away_costs_one_line_and_nothing_else(
    wire: str, upstream: Upstream, tmp_path: Path
) -> None:
    away = Collector(port=9)
    environ = exporting(away, wire, OTEL_EXPORTER_OTLP_TIMEOUT="1", OTEL_METRICS_EXPORTER="none")
    with serving(*anywhere(upstream.port), folder=tmp_path, environ=environ) as served:
        for number in range(20):
            assert post(served.port, ("Idempotency-Key", f"k{number}")) == "201 executed"
        assert served.process.stderr is not None
        assert '"export-lost"' in served.process.stderr.readline()
        assert post(served.port, ("Idempotency-Key", "after")) == "201 executed"
        assert served.stop() == 0
        assert [line["event"] for line in served.logged()] == ["stopping", "stopped"]
