"""Metrics by OTLP: the same ones as on ``/metrics``, of all processes, pushed at intervals. Imported only where wanted.

Knows the data model of the SDK and its exporters. The counting is not the SDK's: what a gateway counts is summed over
its processes first, and told as sums since the gateway's start (cumulative temporality).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from opentelemetry.sdk.metrics import export as data

from gateway.ports import Observer
from gateway.telemetry.reach import Reach, apart
from gateway.telemetry.resource import SCOPE, resource
from gateway.telemetry.shapes import PREFIX, Family, Gauge, Histogram, Sample

_CUMULATIVE = data.AggregationTemporality.CUMULATIVE


class Pushing:
    """Pushes what ``collect`` tells, every so many seconds, from ``start`` to ``stop``."""

    def __init__(
        self,
        exporter: data.MetricExporter,
        collect: Callable[[], Awaitable[Sequence[Family]]],
        observer: Observer,
        every: float,
    ) -> None:
        self._exporter = exporter
        self._collect = collect
        self._reach = Reach("metrics", observer)
        self._every = every
        self._resource = resource()
        self._since = time.time_ns()
        self._task = asyncio.get_running_loop().create_task(self._push_on())

    async def stop(self, seconds: float) -> None:
        """Pushes once more, for so long at most."""
        self._task.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._push()
        apart(self._exporter.shutdown)

    async def _push_on(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            await self._push()

    async def _push(self) -> None:
        families = await self._collect()
        now = time.time_ns()
        await apart(lambda: self._export(families, now))

    def _export(self, families: Sequence[Family], now: int) -> None:
        result = data.MetricExportResult.FAILURE
        try:
            result = self._exporter.export(self._data(families, now))
        finally:
            self._reach.heard(arrived=result is data.MetricExportResult.SUCCESS)

    def _data(self, families: Sequence[Family], now: int) -> data.MetricsData:
        metrics = [_metric(family, self._since, now) for family in families if family.samples]
        scope = data.ScopeMetrics(SCOPE, metrics, "")
        return data.MetricsData([data.ResourceMetrics(self._resource, [scope], "")])


def _metric(family: Family, since: int, now: int) -> data.Metric:
    of = family.of
    if isinstance(of, Histogram):
        distributions = [_distribution(of, labels, sample, since, now) for labels, sample in family.samples]
        unit = "s" if of.name.endswith("_seconds") else "1"
        return data.Metric(PREFIX + of.name, of.help, unit, data.Histogram(distributions, _CUMULATIVE))
    numbers = [
        data.NumberDataPoint(dict(zip(of.labels, labels, strict=True)), since, now, sample)
        for labels, sample in family.samples
        if not isinstance(sample, list)
    ]
    if isinstance(of, Gauge):
        return data.Metric(PREFIX + of.name, of.help, "s" if of.name.endswith("_seconds") else "1", data.Gauge(numbers))
    total = data.Sum(numbers, _CUMULATIVE, is_monotonic=True)
    return data.Metric(PREFIX + of.name, of.help, "1", total)


def _distribution(
    of: Histogram, labels: Sequence[str], sample: Sample, since: int, now: int
) -> data.HistogramDataPoint:
    if not isinstance(sample, list):
        raise TypeError("a distribution has buckets")
    *buckets, total = sample
    counts = [int(number) for number in buckets]
    return data.HistogramDataPoint(
        attributes=dict(zip(of.labels, labels, strict=True)),
        start_time_unix_nano=since,
        time_unix_nano=now,
        count=sum(counts),
        sum=total,
        bucket_counts=counts,
        explicit_bounds=of.bounds,
        # Optional in the protocol, and not kept.
        min=None,  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        max=None,  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    )
