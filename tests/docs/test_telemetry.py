"""What the page about telemetry shows, against a real collector; and that what it names is there."""

import re
import shlex
from pathlib import Path

from gateway.telemetry.logs import EVENTS
from gateway.telemetry.metrics import ALL, PREFIX
from gateway.telemetry.shapes import Metric
from tests.docs.pages import ROOT, commands
from tests.process import anywhere, serving
from tests.stage import call
from tests.telemetry.collector import by_http, exporting
from tests.upstream import Upstream

PAGE = (ROOT / "docs" / "telemetry.md").read_text()


def test_the_command_exports_what_it_says(upstream: Upstream, tmp_path: Path) -> None:
    (line,) = commands("telemetry", "serve")
    words = shlex.split(line)
    environ = dict(word.split("=", 1) for word in words if word.startswith("OTEL_"))
    assert words[len(environ) : len(environ) + 2] == ["idempotency-gateway", "serve"]
    # Whoever samples a tenth still records a call whose caller does.
    field = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    with by_http() as collector:
        endpoint = exporting(collector, "http/protobuf")["OTEL_EXPORTER_OTLP_ENDPOINT"]
        assert re.sub(r":\d+$", "", environ["OTEL_EXPORTER_OTLP_ENDPOINT"]) == re.sub(r":\d+$", "", endpoint)
        with serving(
            *anywhere(upstream.port), folder=tmp_path, environ={**environ, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
        ) as served:
            assert call(served.port, "POST", "/", [("Idempotency-Key", "k"), field], b"{}").told == "201 executed"
            # The end of the process exports what its queue still holds.
            assert served.stop() == 0
        assert {"POST default", "claim", "POST", "settle"} <= set(collector.names)
        assert collector.metrics


def test_every_metric_and_every_line_that_the_page_names_is_there() -> None:
    named = set(re.findall(rf"`({PREFIX}\w+)`", PAGE))
    assert named <= {PREFIX + of.name + ("_total" if isinstance(of, Metric) else "") for of in ALL}
    table = PAGE[PAGE.index("| level | lines |") :].split("\n\n", 1)[0]
    lines = set(re.findall(r"`([a-z]+-[a-z-]+|reconciled|inquired|swept)`", table))
    assert lines <= {name for name, _ in EVENTS.values()}
    assert len(lines) > 10
