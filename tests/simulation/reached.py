"""How far histories go: branches counted, and how much of the two tables of the protocol they reach.

The tables are those that the protocol's own tests walk (``tests.protocol``). What a run of histories must reach is
listed here; so a branch that nothing reaches any more is a red build, and no proof stands on histories without faults.
"""

from collections import Counter
from dataclasses import dataclass, field

from gateway.protocol.exchange import ImpossibleEvent, step
from gateway.protocol.model import Unknown
from tests.protocol.test_exchange_law import EVENTS, STATES
from tests.protocol.test_record_law import TABLE
from tests.simulation.history import Ended

# What must happen in an ordinary run of histories, and in most much more often than once.
RARE = (
    "ambiguous commit",
    "claim repeated by its owner",
    "claim that took effect after its connection broke",
    "late completion",
    "take-over under retry",
    "copy that does not open",
    "NotSent: dispatch-deadline",
    "NotSent: draining",
    "GrantTakenBack",
    "LateAnswer",
    "SettlementMoved",
    "SettlementSlow",
    "Waiting",
    "FrontLost",
    "FrontBack",
    "PolicyChoice: pass",
    "StoreFault: open",
    "StoreFault: settle",
    "forgotten, copies gone",
    "forgotten, copies not yet gone",
    "RecentAnswered",
    "RecentDropped: forgotten",
    "key claimed again after its retention",
    "false unknown",
    "decided by operator: release",
    "decided by operator: resolve",
    "decided by reconciler: found",
    "decided by reconciler: freed",
    "decision that came too late",
    "decision repeated after a lost reply",
    "settlement after a decision",
    "released though it was executed",
    "executed again by a decision's leave",
    "work taken over from another reconciler",
    "work taken over from a dead reconciler",
    "crash",
    "pause",
    "drain",
)


def _possible() -> frozenset[tuple[str, str]]:
    """Every pair of a state and an event that is none that cannot happen."""
    pairs: set[tuple[str, str]] = set()
    for state in STATES.values():
        for event in EVENTS.values():
            try:
                step(state, event)
            except ImpossibleEvent:
                continue
            pairs.add((type(state).__name__, type(event).__name__))
    return frozenset(pairs)


POSSIBLE = _possible()


@dataclass(slots=True)
class Reached:
    """The sum of what histories reached."""

    histories: int = 0
    numbers: Counter[str] = field(default_factory=Counter)
    branches: Counter[str] = field(default_factory=Counter)
    exchange: Counter[tuple[str, str]] = field(default_factory=Counter)
    record: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, ended: Ended) -> None:
        """One more history, judged."""
        chronicle, database = ended.chronicle, ended.around.database
        self.histories += 1
        self.numbers["calls"] += len(chronicle.calls)
        self.numbers["first bytes"] += len(chronicle.sent)
        self.numbers["executions"] += sum(done.effect for done in chronicle.executed)
        self.numbers["unknown at the end"] += sum(
            isinstance(database.current(record_id), Unknown) for record_id in chronicle.slots
        )
        self.branches += chronicle.reached
        self.exchange += chronicle.exchange
        self.record += chronicle.record

    @property
    def missing(self) -> list[str]:
        """What must be reached and was not."""
        return [name for name in RARE if not self.branches[name]]

    def lines(self) -> list[str]:
        """For people."""
        numbers = ", ".join(f"{count:,} {name}" for name, count in self.numbers.items())
        unreached = sorted(POSSIBLE - self.exchange.keys())
        untold = sorted(TABLE.keys() - self.record.keys())
        return [
            f"{numbers}; {self.branches['false unknown']} times unknown though nothing had left",
            f"exchange: {len(POSSIBLE & self.exchange.keys())} of {len(POSSIBLE)} pairs of state and event; not "
            + ", ".join(f"{state} {event}" for state, event in unreached),
            f"record: {len(TABLE.keys() & self.record.keys())} of {len(TABLE)} pairs of state and event; not "
            + ", ".join(f"{state} {event}" for state, event in untold),
            *(f"{self.branches[name]:8,}  {name}" for name in RARE),
        ]
