"""The operator's listener: it always answers, and the data listener knows nothing of it."""

from tests.conftest import Begin
from tests.upstream import Play


def test_liveness_and_readiness_name_the_store(begin: Begin) -> None:
    stage = begin()
    assert stage.admin("/healthz").status == 200
    ready = stage.admin("/readyz")
    assert ready.status == 200
    assert b'"role":"authority","state":"ok"' in ready.body


def test_outcomes_are_counted_by_route(begin: Begin) -> None:
    stage = begin()
    stage.post("a")
    stage.post("a")
    stage.post("a", b"other")
    stage.post(None)
    stage.upstream.then(Play(then="reset"))
    stage.post("b")
    counts = {
        outcome: stage.metric(f'idempotency_gateway_calls_total{{outcome="{outcome}",route="api"}}')
        for outcome in ("executed", "replayed", "mismatch", "unguarded", "unknown")
    }
    assert counts == {"executed": 1, "replayed": 1, "mismatch": 1, "unguarded": 1, "unknown": 1}
    assert stage.metric('idempotency_gateway_records{state="completed"}') == 1
    assert stage.metric('idempotency_gateway_records{state="unknown"}') == 1


def test_the_exposition_names_its_format(begin: Begin) -> None:
    kind = begin().admin("/metrics").get("content-type")
    assert kind == "text/plain; version=0.0.4; charset=utf-8"


def test_the_listeners_do_not_serve_each_others_paths(begin: Begin) -> None:
    stage = begin("match: {path: /charges}")
    assert stage.send("GET", "/metrics", body=None).told == "404 - no-route"
    assert stage.admin("/charges").status == 404
    assert stage.admin("/redoc").status == 404
