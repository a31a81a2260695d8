"""Counts of what happened, and the table of everything that is counted.

Counting is one addition to a dictionary, because it happens on every call; names and help texts are only looked at when
somebody scrapes or exports. The tables below are the whole vocabulary; ``docs/metrics.md`` is made from them.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from gateway.protocol import observations as seen
from gateway.protocol.dossier import Open
from gateway.protocol.observations import Observation
from gateway.protocol.outcomes import Outcome
from gateway.telemetry.shapes import (
    PREFIX,
    SIZES,
    AnyMetric,
    Counts,
    Family,
    Gauge,
    Histogram,
    Metric,
    Series,
    counted,
    distributing,
    labels_of,
    summed,
    told,
)

__all__ = [
    "ALL",
    "GAUGES",
    "HISTOGRAMS",
    "METRICS",
    "PREFIX",
    "Counts",
    "Fanout",
    "Metrics",
    "families",
    "outcomes",
    "summed",
]


METRICS: Mapping[type[Observation], Metric] = {
    seen.Answered: Metric("calls", "Calls answered, by Idempotency-Status.", ("route", "outcome")),
    seen.OutcomeLost: Metric("outcomes_lost", "Sent calls without a complete answer.", ("route", "reason")),
    seen.LateAnswer: Metric("late_answers", "Answers that came after the caller was told 'unknown'.", ("route",)),
    seen.Waiting: Metric("waits", "Calls that waited for another one with their key.", ("route",)),
    seen.SettlementMoved: Metric("settlements_moved", "Settlements refused: the record had moved on.", ("route",)),
    seen.SettlementSlow: Metric("settlements_slow", "Callers answered before the outcome was written.", ("route",)),
    seen.NotSent: Metric(
        "not_sent", "Calls of which nothing was sent, or, over HTTP/2, processed.", ("route", "reason")
    ),
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
    seen.SecretRead: Metric(
        "secrets_read", "Files of secrets that had changed and were read, by setting.", ("setting",)
    ),
    seen.SecretUnreadable: Metric(
        "secrets_unreadable", "Times that a changed file of a secret could not be used, by setting.", ("setting",)
    ),
    seen.TokenKeysRead: Metric("token_keys_read", "Times that the keys of the issuer of tokens had changed.", ()),
    seen.TokenKeysUnread: Metric("token_keys_unread", "Times that the keys of the issuer ceased to be readable.", ()),
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
    seen.ExportLost: Metric("exports_lost", "Times that telemetry stopped reaching its collector.", ("signal",)),
    seen.ExportBack: Metric("exports_back", "Times that it reached it again.", ("signal",)),
}

HISTOGRAMS: Mapping[type[Observation], Histogram] = {
    seen.Answered: Histogram(
        "added_seconds",
        "What the gateway added to a call: from the whole request to its answer, less upstream and waits for others.",
        ("route", "outcome"),
        "added",
    ),
    seen.Sent: Histogram(
        "upstream_seconds",
        "How long upstreams were asked: to the whole answer, or to the head of one that is passed on.",
        ("route", "result"),
        "seconds",
    ),
    seen.StoreAsked: Histogram(
        "store_seconds",
        "How long the authority took for a call's claim or settlement.",
        ("store", "operation"),
        "seconds",
    ),
    seen.FrontAsked: Histogram(
        "front_seconds", "How long the store in front took for a copy, by result.", ("result",), "seconds"
    ),
    seen.Committed: Histogram(
        "batch_size", "Claims and settlements that went to the authority together.", ("store",), "size", SIZES
    ),
    seen.Swept: Histogram("sweep_seconds", "How long sweeps took.", (), "seconds"),
}

IN_FLIGHT = Gauge("calls_in_flight", "Calls that have a place in a process just now, guarded or not.", ("route",))
BREAKER = Gauge("breaker_open", "Processes that have given up the store in front for now.", ("store",))
STALE = Gauge("secrets_stale", "Settings whose file cannot be used just now; what it held before counts.")
LAST_SWEEP = Gauge("last_sweep_timestamp_seconds", "When a sweep last came to its end, in seconds since 1970.")
RECORDS = Gauge("records", "Records in the store, by state.", ("state",))
OPEN = Gauge("open_calls", "Calls in flight, and calls whose outcome is unknown, in the store.", ("route", "state"))
OLDEST = Gauge("oldest_open_seconds", "For how long the oldest of them has been so.", ("route", "state"))
GAUGES = (IN_FLIGHT, BREAKER, STALE, LAST_SWEEP, RECORDS, OPEN, OLDEST)

ALL: Sequence[AnyMetric] = (*METRICS.values(), *HISTOGRAMS.values(), *GAUGES)

_OF_A_PROCESS = frozenset({IN_FLIGHT.name, BREAKER.name, STALE.name})


def outcomes(counts: Counts) -> Mapping[str, Mapping[str, int]]:
    """Calls answered, by route and outcome; what no route covered is left out."""
    found: dict[str, dict[str, int]] = {}
    for (route, outcome), number in sorted(counts.get(METRICS[seen.Answered].name, [])):
        if route and not isinstance(number, list):
            found.setdefault(route, {})[outcome] = int(number)
    return found


def lasting(counts: Counts) -> Counts:
    """What is left of a process's counts when it has ended."""
    return {name: samples for name, samples in counts.items() if name not in _OF_A_PROCESS}


class Metrics:
    """A sink that counts."""

    def __init__(self, routes: Iterable[str] = ()) -> None:
        self._counts: dict[type[Observation], Counter[Any]] = {kind: Counter() for kind in METRICS}
        self._series: dict[type[Observation], Series] = {kind: {} for kind in HISTOGRAMS}
        # A counter that is not there before its first event has no increase when that comes.
        for kind, labels in _known_beforehand(tuple(routes)):
            self._counts[kind][labels] = 0
        self._last_sweep: float | None = None
        self._front_lost = False
        self._stale: set[str] = set()
        self.in_flight: Callable[[], Mapping[str, int]] = dict
        self._ways = {kind: self._way(kind) for kind in (*METRICS, *HISTOGRAMS)}

    def observe(self, observation: Observation) -> None:
        """Counts one observation."""
        for count in self._ways[type(observation)]:
            count(observation)

    def ways(self, kind: type[Observation]) -> Sequence[Callable[[Observation], None]]:
        """What counts an observation of this kind."""
        return self._ways.get(kind, ())

    def snapshot(self) -> Counts:
        """What was counted so far."""
        told_so_far = {metric.name: counted(self._counts[kind]) for kind, metric in METRICS.items()}
        for kind, histogram in HISTOGRAMS.items():
            series = self._series[kind].items()
            told_so_far[histogram.name] = [(told(labels), list(sample)) for labels, sample in series]
        told_so_far[IN_FLIGHT.name] = [([route], number) for route, number in self.in_flight().items()]
        told_so_far[BREAKER.name] = [(["front"], int(self._front_lost))] if self._front_lost else []
        told_so_far[STALE.name] = [([], len(self._stale))]
        told_so_far[LAST_SWEEP.name] = [] if self._last_sweep is None else [([], self._last_sweep)]
        return {name: samples for name, samples in told_so_far.items() if samples}

    def _way(self, kind: type[Observation]) -> tuple[Callable[[Observation], None], ...]:
        ways: list[Callable[[Observation], None]] = []
        if kind is seen.Swept:
            ways.append(self._swept)
        elif kind in METRICS:
            ways.append(_adding(self._counts[kind], METRICS[kind]))
        if kind in HISTOGRAMS:
            ways.append(distributing(HISTOGRAMS[kind], self._series[kind]))
        if kind in (seen.FrontLost, seen.FrontBack):
            ways.append(self._turned)
        if kind in (seen.SecretRead, seen.SecretUnreadable):
            ways.append(self._reread)
        return tuple(ways)

    def _swept(self, observation: Observation) -> None:
        self._last_sweep = time.time()
        if isinstance(observation, seen.Swept):
            for what in ("lapsed", "unknown_expired", "answers_expired", "forgotten"):
                self._counts[seen.Swept][what] += getattr(observation, what)

    def _turned(self, observation: Observation) -> None:
        self._front_lost = isinstance(observation, seen.FrontLost)

    def _reread(self, observation: Observation) -> None:
        if isinstance(observation, seen.SecretUnreadable):
            self._stale.add(observation.setting)
        elif isinstance(observation, seen.SecretRead):
            self._stale.discard(observation.setting)


_Ways: TypeAlias = tuple[Callable[[Observation], None], ...]


def _adding(counter: Counter[Any], metric: Metric) -> Callable[[Observation], None]:
    labels, amount = labels_of(metric.labels), metric.amount

    def add(observation: Observation) -> None:
        counter[labels(observation)] += 1

    def add_amount(observation: Observation) -> None:
        counter[labels(observation)] += getattr(observation, amount)

    return add_amount if amount else add


def families(counts: Counts, records: Mapping[str, int], open_calls: Sequence[Open]) -> Iterator[Family]:
    """Every metric with its samples: of all processes, and of the store."""
    of_processes: list[AnyMetric] = [*METRICS.values(), *HISTOGRAMS.values(), IN_FLIGHT, BREAKER, STALE, LAST_SWEEP]
    for metric in of_processes:
        yield Family(metric, sorted(counts.get(metric.name, ())))
    yield Family(RECORDS, [([state], number) for state, number in records.items()])
    of_store: list[tuple[list[str], Open]] = [([each.route, str(each.state)], each) for each in open_calls]
    yield Family(OPEN, [(labels, each.count) for labels, each in of_store])
    yield Family(OLDEST, [(labels, each.oldest.total_seconds()) for labels, each in of_store])


def _known_beforehand(routes: tuple[str, ...]) -> Iterator[tuple[type[Observation], Any]]:
    """The series whose labels can be told before anything happens."""
    for kind, metric in METRICS.items():
        if not metric.labels:
            yield kind, ()
        elif metric.labels == ("route",):
            yield from ((kind, route) for route in routes)
        elif kind is seen.Answered:
            yield from ((kind, (route, outcome)) for route in routes for outcome in Outcome)


class Fanout:
    """Hands every observation to those who want one of its kind.

    ``wants`` says for a kind who that is: asked once a kind, for an observation that nobody wants costs a look-up.
    """

    def __init__(self, *wants: Callable[[type[Observation]], Sequence[Callable[[Observation], None]]]) -> None:
        self._wants = wants
        self._sinks = _Sinks(self._wanted)

    def observe(self, observation: Observation) -> None:
        """To each of them."""
        for sink in self._sinks[type(observation)]:
            sink(observation)

    def _wanted(self, kind: type[Observation]) -> _Ways:
        return tuple(sink for wanted in self._wants for sink in wanted(kind))


class _Sinks(dict[type[Observation], _Ways]):
    """Who wants what, found out where it is first asked."""

    def __init__(self, find: Callable[[type[Observation]], _Ways]) -> None:
        self._find = find

    def __missing__(self, kind: type[Observation]) -> _Ways:
        found = self[kind] = self._find(kind)
        return found
