"""The simulated authority as people and reconcilers have it: its word on decisions, and who is at work on what.

Applies ``protocol.decisions`` and the reference store's inquiries at one moment each, and notes what came of it.
"""

from collections.abc import Collection, Coroutine, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from gateway.protocol.decisions import Decided, Decision
from gateway.protocol.dossier import RECONCILER
from gateway.protocol.inquiries import Asked, Inquiry
from gateway.protocol.model import Busy, Moved, RecordId, Release
from tests.simulation.chronicle import Chronicle, Taken
from tests.simulation.loop import Place

if TYPE_CHECKING:
    from tests.simulation.database import Database


Result = TypeVar("Result")


def at_once(work: Coroutine[Any, Any, Result]) -> Result:
    """The outcome of a coroutine of the reference store, none of which ever waits."""
    try:
        work.send(None)
    except StopIteration as end:
        outcome: Result = end.value
        return outcome
    raise AssertionError("the reference store never waits")


def event_of(decision: Decision) -> str:
    """As the chronicle has it."""
    return "decide: release" if isinstance(decision.word, Release) else "decide: resolve"


class Register:
    """Decisions and inquiries of one database."""

    def __init__(self, database: "Database", chronicle: Chronicle) -> None:
        self._database = database
        self._chronicle = chronicle
        # Where the worker is, or was, that took a record last.
        self._workers: dict[bytes, Place] = {}

    def decide(self, decision: Decision) -> Decided | Moved | Busy:
        """Law R1, and word of it."""
        database = self._database
        before = database.current(decision.id)
        answer = at_once(database.ledger.decide(decision))
        after = database.current(decision.id)
        self._count(decision, answer, is_changed=after != before)
        database.note(decision.id, event_of(decision), answer, before, after, decision.owner, decision)
        if after != before:
            for tell in database.words:
                tell(decision.id)
        return answer

    def _count(self, decision: Decision, answer: Decided | Moved | Busy, *, is_changed: bool) -> None:
        reached = self._chronicle.reached
        is_release = isinstance(decision.word, Release)
        if is_changed and decision.by == RECONCILER:
            reached[f"decided by reconciler: {'freed' if is_release else 'found'}"] += 1
        elif is_changed:
            reached[f"decided by operator: {'release' if is_release else 'resolve'}"] += 1
        elif isinstance(answer, Decided):
            reached["decision repeated after a lost reply"] += 1
        elif isinstance(answer, Moved):
            reached["decision that came too late"] += 1

    def due(self, worker: Place, routes: Collection[str], work: timedelta, limit: int) -> Sequence[Inquiry]:
        """Law Q1."""
        database, chronicle = self._database, self._chronicle
        before = {record_id: side.taken for record_id, side in database.ledger._sides.items()}
        inquiries = at_once(database.ledger.due(routes, work, limit))
        now = chronicle.now()
        for each in inquiries:
            earlier = self._workers.get(before[each.id])
            if earlier is not None:
                chronicle.reached["work taken over from another reconciler"] += 1
                chronicle.reached["work taken over from a dead reconciler"] += earlier.dead
            self._workers[each.taken] = worker
            chronicle.taken.append(Taken(now, each.id, worker.name, each.fence, each.taken, now + work.total_seconds()))
            self._tell(worker, each.id, "takes {} to ask about")
        return inquiries

    def asked(self, worker: Place, inquiry: Inquiry, result: Asked) -> bool:
        """Law Q2."""
        is_noted = at_once(self._database.ledger.asked(inquiry, result))
        if is_noted:
            self._chronicle.let_go[inquiry.taken] = self._chronicle.now()
            again = result.again_in.total_seconds()
            self._tell(worker, inquiry.id, f"lets {{}} go, {result.absent} times absent, for {again:.3f} s")
        return is_noted

    def _tell(self, worker: Place, record_id: RecordId, what: str) -> None:
        self._chronicle.tell(worker.name, what.format(self._chronicle.slots.get(record_id, "?")))
