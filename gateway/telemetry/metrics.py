"""Counts of what happened, as Prometheus text.

Counting is one addition to a dictionary, because it happens on every call; names and help texts are only looked at when
somebody scrapes. The table below is the whole vocabulary.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import TypeAlias

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from gateway.protocol import observations as seen
from gateway.protocol.observations import Observation
from gateway.protocol.outcomes import Outcome

PREFIX = "idempotency_gateway_"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Metric:
    """One counter: its name, its help text, the fields of the observation that become labels. ``amount``: the field
    that it grows by; by one where there is none."""

    name: str
    help: str
    labels: tuple[str, ...]
    amount: str = ""


METRICS: Mapping[type[Observation], Metric] = {
    seen.Answered: Metric("calls", "Calls answered, by Idempotency-Status.", ("route", "outcome")),
    seen.OutcomeLost: Metric("outcomes_lost", "Sent calls without a complete answer.", ("route", "reason")),
    seen.LateAnswer: Metric("late_answers", "Answers that came after the caller was told 'unknown'.", ("route",)),
    seen.Waiting: Metric("waits", "Calls that waited for another one with their key.", ("route",)),
    seen.SettlementMoved: Metric("settlements_moved", "Settlements refused: the record had moved on.", ("route",)),
    seen.SettlementSlow: Metric("settlements_slow", "Callers answered before the outcome was written.", ("route",)),
    seen.NotSent: Metric("not_sent", "Calls of which nothing was sent.", ("route", "reason")),
    seen.PolicyChoice: Metric("policy_choices", "Sendings that an operator's policy chose.", ("route", "choice")),
    seen.NotAskable: Metric("not_askable", "Calls that cannot be asked about, by what is missing.", ("route", "place")),
    seen.Inquired: Metric("inquiries", "Questions to an upstream about unknown calls.", ("route", "result")),
    seen.Reconciled: Metric("reconciled", "Unknown calls that a reconciler decided.", ("route", "verdict")),
    seen.StoreFault: Metric("store_faults", "Store operations without a usable answer.", ("operation",)),
    seen.GrantTakenBack: Metric("grants_taken_back", "Grants heard of too late, given back unused.", ("route",)),
    seen.Shed: Metric(
        "shed", "Calls and connections turned away, by what there were too many of.", ("route", "reason")
    ),
    seen.CallerAdmitted: Metric("caller_calls", "Calls of known callers that were let in, by caller.", ("caller",)),
    seen.CallerRefused: Metric(
        "caller_refusals", "Calls turned away for whose they are, by caller and reason.", ("route", "caller", "reason")
    ),
    seen.KeysRead: Metric("caller_keys_read", "Files of callers' keys that had changed and were read.", ()),
    seen.KeysUnreadable: Metric("caller_keys_unreadable", "Files of callers' keys that could not be used.", ()),
    seen.RatesAlone: Metric("rates_alone", "Times that the Redis where rates are counted stopped answering.", ()),
    seen.RatesTogether: Metric("rates_together", "Times that the Redis where rates are counted answered again.", ()),
    seen.CountedAlone: Metric("rates_counted_alone", "Calls counted by a process alone, for want of that Redis.", ()),
    seen.TooSlow: Metric("too_slow", "Callers given up for being too slow, by what they were at.", ("at",)),
    seen.InternalFault: Metric("internal_faults", "Exchanges ended by a fault of the gateway's own.", ("route",)),
    seen.WorkerEnded: Metric("workers_ended", "Worker processes that ended and were replaced.", ("code",)),
    seen.FrontAsked: Metric("front_asked", "Copies asked of the store in front, by result.", ("result",)),
    seen.FrontLost: Metric("front_lost", "Times that the store in front stopped answering.", ()),
    seen.FrontBack: Metric("front_back", "Times that the store in front answered again.", ()),
    seen.RecentAnswered: Metric("replay_cache_answers", "Replays from this gateway's memory: no store was asked.", ()),
    seen.RecentKept: Metric(
        "replay_cache_kept_bytes", "Bytes of replayed answers that were kept in memory.", (), "size"
    ),
    seen.RecentDropped: Metric(
        "replay_cache_dropped_bytes", "Bytes of kept answers dropped since, by reason.", ("reason",), "size"
    ),
    seen.OperatorVerb: Metric("operator_verbs", "What operators asked for, and what came of it.", ("verb", "outcome")),
    seen.Swept: Metric("swept", "Records that retention turned or removed.", ("what",)),
}


# What a process has counted, as it tells another one: by metric, the values of its labels and the count.
Counts: TypeAlias = Mapping[str, list[tuple[list[str], int]]]


def summed(parts: Iterable[Counts]) -> Counts:
    """The counts of several processes."""
    total: dict[str, Counter[tuple[str, ...]]] = {}
    for part in parts:
        for name, counts in part.items():
            counter = total.setdefault(name, Counter())
            for labels, count in counts:
                counter[tuple(labels)] += count
    return {name: [(list(labels), count) for labels, count in counter.items()] for name, counter in total.items()}


def outcomes(counts: Counts) -> Mapping[str, Mapping[str, int]]:
    """Calls answered, by route and outcome; what no route covered is left out."""
    told: dict[str, dict[str, int]] = {}
    for (route, outcome), count in sorted(counts.get(METRICS[seen.Answered].name, [])):
        if route:
            told.setdefault(route, {})[outcome] = count
    return told


class Metrics(Collector):
    """A sink that counts. ``records`` tells how many records are in each state, when asked."""

    def __init__(self, routes: Iterable[str] = ()) -> None:
        self._counts: dict[type[Observation], Counter[tuple[str, ...]]] = {kind: Counter() for kind in METRICS}
        # A counter that is not there before its first event has no increase when that comes.
        for kind, labels in _known_beforehand(tuple(routes)):
            self._counts[kind][labels] = 0
        self._records: Mapping[str, int] = {}
        self._others: Counts = {}
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def observe(self, observation: Observation) -> None:
        """Counts one observation."""
        kind = type(observation)
        if isinstance(observation, seen.Answered):
            self._counts[kind][(observation.route, observation.outcome)] += 1
        elif isinstance(observation, seen.Swept):
            for field in fields(observation):
                self._counts[kind][(field.name,)] += getattr(observation, field.name)
        else:
            metric = METRICS[kind]
            amount = getattr(observation, metric.amount) if metric.amount else 1
            self._counts[kind][tuple(str(getattr(observation, name)) for name in metric.labels)] += amount

    def snapshot(self) -> Counts:
        """What was counted so far."""
        return {
            metric.name: [(list(labels), count) for labels, count in self._counts[kind].items()]
            for kind, metric in METRICS.items()
            if self._counts[kind]
        }

    def text(self, records: Mapping[str, int], others: Counts) -> bytes:
        """The exposition: ``records`` by state, and what other processes have counted, included."""
        self._records, self._others = records, others
        return generate_latest(self._registry)

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """What the registry asks for at each scrape."""
        counted = summed([self.snapshot(), self._others])
        for metric in METRICS.values():
            family = CounterMetricFamily(PREFIX + metric.name, metric.help, labels=metric.labels)
            for labels, count in sorted(counted.get(metric.name, [])):
                family.add_metric(labels, count)
            yield family
        records = GaugeMetricFamily(PREFIX + "records", "Records in the store, by state.", labels=("state",))
        for state, count in self._records.items():
            records.add_metric((state,), count)
        yield records


def _known_beforehand(routes: tuple[str, ...]) -> Iterator[tuple[type[Observation], tuple[str, ...]]]:
    """The series whose labels can be told before anything happens."""
    for kind, metric in METRICS.items():
        if not metric.labels:
            yield kind, ()
        elif metric.labels == ("route",):
            yield from ((kind, (route,)) for route in routes)
        elif kind is seen.Answered:
            yield from ((kind, (route, outcome)) for route in routes for outcome in Outcome)


class Fanout:
    """Hands every observation to each sink in turn."""

    def __init__(self, *sinks: Callable[[Observation], None]) -> None:
        self._sinks = sinks

    def observe(self, observation: Observation) -> None:
        """To all of them."""
        for sink in self._sinks:
            sink(observation)
