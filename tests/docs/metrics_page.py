"""The page of all metrics, made from the tables that count: ``python -m tests.docs.metrics_page`` writes it."""

from gateway.telemetry.metrics import ALL, PREFIX
from gateway.telemetry.shapes import TIMES, AnyMetric, Gauge, Histogram
from tests.docs.pages import ROOT

PLACE = ROOT / "docs" / "metrics.md"

_HEAD = f"""# Metrics

Every metric of the gateway. `/metrics` on the admin listener has them as Prometheus text, complete over workers; by
OTLP ([telemetry](telemetry.md)) the same ones come under the same names, counters without `_total`. Names, labels and
meanings are stable: one that changes is in the changelog.

Labels take few values: `route` is a route's name (empty where no route covers the call), all others are words of the
gateway's own. Nothing that a caller sends becomes a label. What `records`, `open_calls` and `oldest_open_seconds` tell
is asked of the store with each scrape, and every gateway on one store tells the same: take the maximum, not the sum.

Histograms of seconds have the bounds {", ".join(f"{bound:g}" for bound in TIMES)}.

| metric | kind | labels | |
|---|---|---|---|
"""


def page() -> str:
    """The whole page."""
    rows = [_row(of) for of in ALL]
    return _HEAD + "".join(sorted(rows))


def _row(of: AnyMetric) -> str:
    kind = "histogram" if isinstance(of, Histogram) else "gauge" if isinstance(of, Gauge) else "counter"
    name = PREFIX + of.name + ("_total" if kind == "counter" else "")
    return f"| `{name}` | {kind} | {', '.join(f'`{label}`' for label in of.labels)} | {of.help} |\n"


if __name__ == "__main__":
    PLACE.write_text(page())
