"""Log lines: one event, a few allow-listed fields, nothing that a caller sent.

Records appear by the beginning of their id, keys never; queries, bodies and credentials never. Of one call there is one
line at most: what was the matter with it, or that it was answered. What happens often has so many lines a second.
"""

import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from gateway.protocol import observations as seen
from gateway.protocol.observations import Observation
from gateway.protocol.outcomes import Outcome
from gateway.telemetry.budget import Budget
from gateway.telemetry.lines import configure

__all__ = ["EVENTS", "Calls", "Logs", "configure"]

# What is worth a line: the event's name, and its level. Whatever happens on every call is counted, not logged.
EVENTS: Mapping[type[Observation], tuple[str, int]] = {
    seen.OutcomeLost: ("outcome-lost", logging.WARNING),
    seen.LateAnswer: ("late-answer", logging.INFO),
    seen.SettlementMoved: ("settlement-moved", logging.WARNING),
    seen.SettlementSlow: ("settlement-slow", logging.WARNING),
    seen.NotSent: ("not-sent", logging.WARNING),
    seen.PolicyChoice: ("policy-choice", logging.INFO),
    seen.Inquired: ("inquired", logging.DEBUG),
    seen.Reconciled: ("reconciled", logging.INFO),
    seen.StoreFault: ("store-fault", logging.ERROR),
    seen.GrantTakenBack: ("grant-taken-back", logging.INFO),
    seen.KeysRead: ("caller-keys-read", logging.INFO),
    seen.KeysUnreadable: ("caller-keys-unreadable", logging.ERROR),
    seen.SecretRead: ("secret-read", logging.INFO),
    seen.SecretUnreadable: ("secret-unreadable", logging.ERROR),
    seen.TokenKeysRead: ("token-keys-read", logging.INFO),
    seen.TokenKeysUnread: ("token-keys-unread", logging.ERROR),
    seen.RatesAlone: ("rates-alone", logging.WARNING),
    seen.RatesTogether: ("rates-together", logging.INFO),
    seen.InternalFault: ("internal-fault", logging.ERROR),
    seen.WorkerEnded: ("worker-ended", logging.ERROR),
    seen.FrontLost: ("front-lost", logging.WARNING),
    seen.FrontBack: ("front-back", logging.INFO),
    # A warning, though most are none: whoever logs less than usual still has the audit.
    seen.OperatorVerb: ("operator-verb", logging.WARNING),
    seen.Swept: ("swept", logging.DEBUG),
    seen.ExportLost: ("export-lost", logging.WARNING),
    seen.ExportBack: ("export-back", logging.INFO),
}

# Said of calls, and so as often as callers like: these have so many lines a second each.
BOUNDED = frozenset({seen.OutcomeLost, seen.SettlementSlow, seen.NotSent, seen.PolicyChoice, seen.StoreFault})

# What an ordinary call comes to.
ORDINARY = frozenset({Outcome.EXECUTED, Outcome.REPLAYED, Outcome.UNGUARDED, "well-known", ""})

# What its caller cannot mend.
_GRAVE = frozenset({Outcome.UNKNOWN, Outcome.UNAVAILABLE})


@dataclass(frozen=True, slots=True)
class Calls:
    """How calls are logged. ``sample``: the share of ordinary ones that has a line. ``most``: lines a second for all
    others, and for each other event that a call can cause; 0: calls have none."""

    sample: float = 0.0
    most: int = 20


class Logs:
    """A sink that writes lines."""

    def __init__(self, calls: Calls = Calls(), chance: Callable[[], float] = random.random) -> None:
        """``chance`` draws from 0 to 1; it is no caller's, who could choose to be logged always, or never."""
        self._log = structlog.get_logger()
        self._calls = calls
        self._chance = chance
        self._budgets: dict[type[Observation], Budget] = {}

    def observe(self, observation: Observation) -> None:
        """A line for what is worth one."""
        for write in self.ways(type(observation)):
            write(observation)

    def ways(self, kind: type[Observation]) -> Sequence[Callable[[Observation], None]]:
        """What writes an observation of this kind: nothing where there is never a line."""
        if kind is seen.Answered:
            return (self._answered,) if self._calls.most or self._calls.sample else ()
        if kind is seen.InternalFault:
            return (self._failed,)
        if kind is seen.Swept:
            return (self._swept,)
        return (self._written,) if kind in EVENTS else ()

    def say(self, event: str, **fields: object) -> None:
        """A line of the gateway's own life: started, draining, stopped."""
        self._log.info(event, **fields)

    def caution(self, **fields: object) -> None:
        """A line that somebody should read, though nothing is broken."""
        self._log.warning("caution", **fields)

    def _written(self, observation: Observation) -> None:
        kind = type(observation)
        if kind in BOUNDED and not self._room(kind, self._calls.most or Calls().most):
            return
        name, level = EVENTS[kind]
        self._log.log(level, name, **_fields(observation))

    def _failed(self, observation: Observation) -> None:
        if isinstance(observation, seen.InternalFault) and self._room(seen.InternalFault, Calls().most):
            name, level = EVENTS[seen.InternalFault]
            self._log.log(level, name, route=observation.route, exc_info=observation.fault)

    def _swept(self, observation: Observation) -> None:
        if isinstance(observation, seen.Swept) and observation.total:
            self._written(observation)

    def _answered(self, observation: Observation) -> None:
        if not isinstance(observation, seen.Answered) or observation.told:
            return
        if observation.outcome in ORDINARY:
            if self._chance() >= self._calls.sample:
                return
        elif not self._calls.most or not self._room(seen.Answered, self._calls.most):
            return
        grave = observation.outcome in _GRAVE or observation.status == 500
        self._log.log(logging.WARNING if grave else logging.INFO, "call", **_of_call(observation))

    def _room(self, kind: type[Observation], most: int) -> bool:
        budget = self._budgets.get(kind)
        if budget is None:
            budget = self._budgets[kind] = Budget(most)
        if not budget.takes(time.monotonic()):
            return False
        if number := budget.left_out():
            name = "call" if kind is seen.Answered else EVENTS[kind][0]
            self._log.warning("lines-left-out", count=number, reason=name)
        return True


def _fields(observation: Observation) -> dict[str, Any]:
    fields = {name: getattr(observation, name) for name in observation.__match_args__}
    trace = fields.pop("trace", b"")
    return {name: value for name, value in fields.items() if value != ""} | _trace(trace)


def _of_call(call: seen.Answered) -> dict[str, Any]:
    fields: dict[str, Any] = {"route": call.route, "outcome": str(call.outcome), "status": call.status}
    if call.seconds is not None:
        fields["ms"] = _ms(call.seconds)
        fields["upstream_ms"] = _ms(call.upstream)
    if call.added is not None:
        fields["added_ms"] = _ms(call.added)
    if call.id is not None:
        fields["record"] = call.id.digest[:6].hex()
    return fields | _trace(call.trace)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _trace(trace: bytes) -> dict[str, str]:
    """A ``traceparent`` as logs name its parts."""
    return {"trace_id": trace[3:35].decode(), "span_id": trace[36:52].decode()} if trace else {}
