"""The simulated authority: one database for all gateways.

Applies the law of a record (``protocol.claims``, by the reference store) to each operation at one moment, at its own
clock, and notes what came of it. How a gateway gets there is for ``line``.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from gateway.ports import SweepCounts
from gateway.protocol import claims
from gateway.protocol.decisions import Decision
from gateway.protocol.model import (
    Busy,
    Claim,
    Completed,
    Forgotten,
    Grant,
    Granted,
    Moved,
    Record,
    RecordId,
    Settled,
    Settlement,
    Unknown,
    Verdict,
)
from gateway.stores.memory import MemoryStore
from tests.protocol.test_record_law import NAMES
from tests.simulation.chronicle import Chronicle, Ruled
from tests.simulation.deciding import Register, at_once
from tests.simulation.wire import Wire

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
SECRET = b"simulated secret"
EVENTS = {"Complete": "complete", "Release": "release", "MarkUnknown": "mark unknown"}


class Ledger(MemoryStore):
    """The reference store under the history's clock."""

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__()
        self._seconds = now

    def _now(self) -> datetime:
        return EPOCH + timedelta(seconds=self._seconds())


class Database:
    """The server. ``words``: who is told that a record was settled; ``forgettings``: who, that one is forgotten."""

    def __init__(self, wire: Wire, chronicle: Chronicle) -> None:
        self.ledger = Ledger(wire.loop.time)
        self.words: list[Callable[[RecordId], None]] = []
        self.forgettings: list[Callable[[RecordId], None]] = []
        self.register = Register(self, chronicle)
        self._wire = wire
        self._chronicle = chronicle

    def stored(self, record_id: RecordId) -> Record | None:
        """What lies there, time apart."""
        return self.ledger._records.get(record_id)

    def instant(self, seconds: float) -> datetime:
        """The database's clock at a moment of the history."""
        return EPOCH + timedelta(seconds=seconds)

    def current(self, record_id: RecordId) -> Record | None:
        """What time has made of it."""
        return claims.as_of(self.stored(record_id), self.ledger._now())

    def claim(self, claim: Claim) -> Verdict:
        """Law S1."""
        before = self.current(claim.id)
        verdict = at_once(self.ledger.claim(claim))
        after = self.current(claim.id)
        if isinstance(verdict, Granted):
            self._granted(claim, before, after, verdict.grant)
        event = "claim" if claim.takeover is None else "claim, policy retry"
        self.note(claim.id, event, verdict, before, after, claim.owner)
        return verdict

    def _granted(self, claim: Claim, before: Record | None, after: Record | None, grant: Grant) -> None:
        reached = self._chronicle.reached
        if after == before:
            reached["claim repeated by its owner"] += 1
        elif grant.taken_over:
            reached["take-over under retry"] += 1
        if before is None and self.stored(claim.id) is not None and grant.fence > 1:
            reached["key claimed again after its retention"] += 1

    def claim_too_late(self, claim: Claim) -> Callable[[], None]:
        """The statement as it is under way: it writes what followed from what it read, over just that, or nothing."""
        read = self.stored(claim.id)
        judged = claims.judge(read, claim, self.ledger._now())

        def arrives() -> None:
            if isinstance(judged, Granted) and self.stored(claim.id) is read:
                self._chronicle.reached["claim that took effect after its connection broke"] += 1
                self.claim(claim)

        return arrives

    def settle(self, grant: Grant, settlement: Settlement) -> Settled | Moved:
        """Law S3, and word of it."""
        before = self.current(grant.id)
        answer = at_once(self.ledger.settle(grant, settlement))
        after = self.current(grant.id)
        event = EVENTS[type(settlement).__name__]
        if isinstance(before, Unknown) and isinstance(after, Completed):
            self._chronicle.reached["late completion"] += 1
        self.note(grant.id, event, answer, before, after, grant.owner)
        if after != before:
            for tell in self.words:
                tell(grant.id)
        return answer

    def forget(self, record_id: RecordId, fence: int, by: str, note: str) -> Forgotten | Moved | Busy:
        """Law S7."""
        before = self.current(record_id)
        answer = at_once(self.ledger.forget(record_id, fence, by, note))
        self.note(record_id, "forget", answer, before, self.current(record_id), b"")
        for tell in self.forgettings:
            tell(record_id)
        return answer

    def sweep(self, limit: int) -> SweepCounts:
        """Law S6."""
        before = dict(self.ledger._records)
        counts = at_once(self.ledger.sweep(limit))
        for record_id, was in before.items():
            now = self.stored(record_id)
            if now is not was:
                self._turned(record_id, was, now)
        return counts

    def _turned(self, record_id: RecordId, was: Record, now: Record | None) -> None:
        """Several turns at once are as many lines of the table."""
        names, last = ["in flight", "unknown", "expired", "none"], NAMES[type(now)]
        first = NAMES[type(was)]
        path = {
            "in flight": names,
            "completed": ["completed", "expired", "none"],
            "unknown": names[1:],
            "released": ["released", "none"],
            "expired": names[2:],
        }[first]
        for state in path[: path.index(last)] if last in path else [first]:
            self._chronicle.record[state, "its time is over"] += 1
        self._rule(record_id, Ruled(self._wire.loop.time(), "its time is over", "", was, now, b"", None))

    def note(
        self,
        record_id: RecordId,
        event: str,
        answer: object,
        before: Record | None,
        after: Record | None,
        owner: bytes,
        decision: Decision | None = None,
    ) -> None:
        """For the checker, and for whoever waits for this moment."""
        word = NAMES.get(type(answer), type(answer).__name__)
        self._chronicle.record[NAMES[type(before)], event] += 1
        call = self._chronicle.owners.get(owner)
        number = None if call is None else call.number
        self._rule(record_id, Ruled(self._wire.loop.time(), event, word, before, after, owner, number, decision))
        if call is not None and word in ("granted", "settled"):
            self._chronicle.moment(word, call)

    def _rule(self, record_id: RecordId, ruled: Ruled) -> None:
        chronicle = self._chronicle
        chronicle.ruled.setdefault(record_id, []).append(ruled)
        if chronicle.telling:
            slot = chronicle.slots.get(record_id, "?")
            fence = getattr(ruled.after, "fence", "-")
            change = f"{NAMES[type(ruled.before)]} -> {NAMES[type(ruled.after)]} (fence {fence})"
            by = "" if ruled.call is None else f" by call {ruled.call}"
            chronicle.tell("database", f"{slot}: {ruled.event}{by}: {ruled.word or 'turned'}: {change}")
