"""Metrics as Prometheus text.

Knows the text format by its library. Refuses to know what is counted, and where.
"""

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from gateway.telemetry.shapes import PREFIX, Family, Gauge, Histogram

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_Rendered = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily


def text(families: Iterable[Family]) -> bytes:
    """The exposition."""
    registry = CollectorRegistry()
    registry.register(_Once([_rendered(family) for family in families]))
    return generate_latest(registry)


class _Once(Collector):
    def __init__(self, rendered: list[_Rendered]) -> None:
        self._rendered = rendered

    def collect(self) -> Iterator[_Rendered]:
        return iter(self._rendered)


def _rendered(family: Family) -> _Rendered:
    of = family.of
    if isinstance(of, Histogram):
        return _histogram(of, family)
    kind = GaugeMetricFamily if isinstance(of, Gauge) else CounterMetricFamily
    made = kind(PREFIX + of.name, of.help, labels=of.labels)
    for labels, sample in family.samples:
        if not isinstance(sample, list):
            made.add_metric(labels, sample)
    return made


def _histogram(of: Histogram, family: Family) -> HistogramMetricFamily:
    made = HistogramMetricFamily(PREFIX + of.name, of.help, labels=of.labels)
    for labels, sample in family.samples:
        if isinstance(sample, list):
            *buckets, total = sample
            # The format's buckets hold those of all smaller bounds too.
            up_to = [sum(buckets[: end + 1]) for end in range(len(buckets))]
            bounds = [*map(str, of.bounds), "+Inf"]
            made.add_metric(labels, list(zip(bounds, up_to, strict=True)), total)
    return made
