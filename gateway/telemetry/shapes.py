"""What a metric looks like before anybody renders it: its name, its kind, its samples.

Knows adding up, in a process and over several. Refuses to know Prometheus, OTLP, and what is counted.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, TypeAlias

from gateway.protocol.observations import Observation

PREFIX = "idempotency_gateway_"

# Seconds: from what a replay out of memory takes to the longest time that a route may give its upstream, and beyond.
TIMES = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 90.0)
SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)

# A count; or a histogram: how many fell into each bucket, the last one without a bound, and the sum of them all.
Sample: TypeAlias = float | list[float]

# What a process has counted, as it tells another one: by metric, the values of its labels and the sample.
Counts: TypeAlias = Mapping[str, list[tuple[list[str], Sample]]]


@dataclass(frozen=True, slots=True)
class Metric:
    """One counter: its name, its help text, the fields of the observation that become labels. ``amount``: the field
    that it grows by; by one where there is none."""

    name: str
    help: str
    labels: tuple[str, ...]
    amount: str = ""


@dataclass(frozen=True, slots=True)
class Gauge:
    """One number that goes up and down. ``lasts``: it is told for the process that has ended too."""

    name: str
    help: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Histogram:
    """One distribution: the field of the observation that is its value, and the upper bounds of its buckets."""

    name: str
    help: str
    labels: tuple[str, ...]
    value: str
    bounds: tuple[float, ...] = TIMES


AnyMetric: TypeAlias = Metric | Gauge | Histogram


@dataclass(frozen=True, slots=True)
class Family:
    """A metric and its samples, by the values of its labels."""

    of: AnyMetric
    samples: Sequence[tuple[Sequence[str], Sample]]


# A histogram's samples by its labels: how many fell into each bucket, and the sum of them all.
Series: TypeAlias = dict[Any, list[float]]


def distributing(of: Histogram, series: Series) -> Callable[[Observation], None]:
    """What adds an observation to ``series``: a search among few bounds and two additions. A value that is not known is
    not counted."""
    bounds, value_of, labels = of.bounds, attrgetter(of.value), labels_of(of.labels)
    empty: list[float] = [0.0] * (len(bounds) + 2)

    def add(observation: Observation) -> None:
        value = value_of(observation)
        if value is None:
            return
        place = labels(observation)
        if place not in series:
            series[place] = empty.copy()
        sample = series[place]
        sample[bisect_left(bounds, value)] += 1
        sample[-1] += value

    return add


def labels_of(names: tuple[str, ...]) -> Callable[[Observation], Any]:
    """What reads the labels of an observation: a tuple, or the one value alone."""
    return attrgetter(*names) if names else lambda _: ()


def told(labels: object) -> list[str]:
    """The labels as texts."""
    return [str(label) for label in labels] if isinstance(labels, tuple) else [str(labels)]


def summed(parts: Iterable[Counts]) -> Counts:
    """The counts of several processes."""
    total: dict[str, dict[tuple[str, ...], Sample]] = {}
    for part in parts:
        for name, samples in part.items():
            known = total.setdefault(name, {})
            for labels, sample in samples:
                place = tuple(labels)
                known[place] = _sum(known[place], sample) if place in known else sample
    return {name: [(list(labels), sample) for labels, sample in known.items()] for name, known in total.items()}


def _sum(one: Sample, other: Sample) -> Sample:
    if isinstance(one, list) and isinstance(other, list):
        return [mine + its for mine, its in zip(one, other, strict=True)]
    if isinstance(one, list) or isinstance(other, list):
        raise TypeError("a histogram and a count do not add up")
    return one + other


def counted(counter: Counter[Any]) -> list[tuple[list[str], Sample]]:
    """A counter as a process tells it."""
    return [(told(labels), number) for labels, number in counter.items()]
