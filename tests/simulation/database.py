"""The simulated authority: one database for all gateways, and each gateway's way to it.

The database applies the law of a record (``protocol.claims``, by the reference store) to each operation at one moment,
at its own clock. On the way are the real group commit, its repetitions and deadlines, and a network that loses replies.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from gateway.errors import RecordUnreadable, StoreUnavailable
from gateway.ports import Erasure, SweepCounts
from gateway.protocol import claims
from gateway.protocol.dossier import GATEWAY
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
from gateway.stores.batching import GroupCommit, Outcome
from gateway.stores.memory import MemoryStore
from gateway.stores.watching import Watch, Watches
from tests.protocol.test_record_law import NAMES
from tests.simulation.chronicle import Chronicle, Ruled
from tests.simulation.wire import Wire

Result = TypeVar("Result")

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
SECRET = b"simulated secret"
# As the Postgres store has it: how long an operation is issued again, and when its caller hears of it at the latest.
DEADLINE = timedelta(seconds=2)
EVENTS = {"Complete": "complete", "Release": "release", "MarkUnknown": "mark unknown"}


def at_once(work: Coroutine[Any, Any, Result]) -> Result:
    """The outcome of a coroutine of the reference store, none of which ever waits."""
    try:
        work.send(None)
    except StopIteration as end:
        outcome: Result = end.value
        return outcome
    raise AssertionError("the reference store never waits")


class Ledger(MemoryStore):
    """The reference store under the history's clock."""

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__()
        self._seconds = now

    def _now(self) -> datetime:
        return EPOCH + timedelta(seconds=self._seconds())


@dataclass(frozen=True, slots=True)
class Settle:
    """A settlement on its way into a batch."""

    grant: Grant
    settlement: Settlement


Operation = Claim | Settle
Answer = Verdict | Settled | Moved


class Database:
    """The server. ``words``: who is told that a record was settled."""

    def __init__(self, wire: Wire, chronicle: Chronicle) -> None:
        self.ledger = Ledger(wire.loop.time)
        self.words: list[Callable[[RecordId], None]] = []
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
        self._note(claim.id, event, verdict, before, after, claim.owner)
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
        """The statement as it is under way: it writes what it has read was true, or nothing."""
        read = self.stored(claim.id)

        def arrives() -> None:
            if self.stored(claim.id) is read:
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
        self._note(grant.id, event, answer, before, after, grant.owner)
        if after != before:
            for tell in self.words:
                tell(grant.id)
        return answer

    def forget(self, record_id: RecordId, fence: int, by: str, note: str) -> Forgotten | Moved | Busy:
        """Law S7."""
        before = self.current(record_id)
        answer = at_once(self.ledger.forget(record_id, fence, by, note))
        self._note(record_id, "forget", answer, before, self.current(record_id), b"")
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

    def _note(
        self, record_id: RecordId, event: str, answer: object, before: Record | None, after: Record | None, owner: bytes
    ) -> None:
        word = NAMES.get(type(answer), type(answer).__name__)
        self._chronicle.record[NAMES[type(before)], event] += 1
        call = self._chronicle.owners.get(owner)
        number = None if call is None else call.number
        self._rule(record_id, Ruled(self._wire.loop.time(), event, word, before, after, owner, number))
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


class Line:
    """``ports.Authority`` as one gateway has it."""

    def __init__(self, database: Database, wire: Wire, gateway: int) -> None:
        self._database = database
        self._wire = wire
        self._gateway = gateway
        self.watches = Watches()
        self._commits: GroupCommit[Operation, Answer] = GroupCommit(self._commit, deadline=DEADLINE, heard_by=DEADLINE)

    async def claim(self, claim: Claim) -> Verdict:
        """By group commit."""
        answer = await self._commits.submit(claim)
        assert not isinstance(answer, Settled | Moved)
        return answer

    async def settle(self, grant: Grant, settlement: Settlement) -> Settled | Moved:
        """By group commit."""
        answer = await self._commits.submit(Settle(grant, settlement))
        assert isinstance(answer, Settled | Moved)
        self.watches.tell(grant.id)
        return answer

    async def watch(self, record_id: RecordId) -> Watch:
        """Word comes over the network, or it does not."""
        return self.watches.watch(record_id)

    async def forget(
        self, record_id: RecordId, fence: int, by: str = GATEWAY, note: str = ""
    ) -> Forgotten | Moved | Busy:
        """By itself."""
        return await self._asked(lambda: self._database.forget(record_id, fence, by, note))

    async def look(self, record_id: RecordId) -> Record | None:
        """By itself."""
        return await self._asked(lambda: self._database.current(record_id))

    async def sweep(self, limit: int) -> SweepCounts:
        """By itself."""
        return await self._asked(lambda: self._database.sweep(limit))

    async def erasures(self, incarnation: str, after: Erasure | None, limit: int) -> Sequence[Erasure]:
        """Law E2."""
        return await self._asked(lambda: at_once(self._database.ledger.erasures(incarnation, after, limit)))

    async def erasure(self, record_id: RecordId) -> Erasure | None:
        """Law E2."""
        return await self._asked(lambda: at_once(self._database.ledger.erasure(record_id)))

    async def note_erased(self, erasures: Sequence[Erasure], incarnation: str) -> None:
        """Law E3."""
        await self._asked(lambda: at_once(self._database.ledger.note_erased(erasures, incarnation)))

    async def count(self) -> Mapping[str, int]:
        """By itself."""
        return await self._asked(lambda: at_once(self._database.ledger.count()))

    async def digest_key(self, configured: bytes | None, *, accept_change: bool = False) -> bytes:
        """One secret for all."""
        ledger = self._database.ledger
        return await self._asked(lambda: at_once(ledger.digest_key(configured, accept_change=accept_change)))

    async def remember_key_space(self, namespace: str, settings: str, *, accept_change: bool) -> str | None:
        """One for all."""
        ledger = self._database.ledger
        return await self._asked(
            lambda: at_once(ledger.remember_key_space(namespace, settings, accept_change=accept_change))
        )

    async def ping(self) -> None:
        """Whether it answers."""
        await self._asked(lambda: None)

    async def close(self) -> None:
        """What has arrived is committed."""
        await self._commits.close()

    async def _asked(self, ask: Callable[[], Result]) -> Result:
        try:
            async with asyncio.timeout(DEADLINE.total_seconds()):
                return await self._wire.trip("authority", self._gateway, ask)
        except TimeoutError:
            raise StoreUnavailable("the database did not answer in time", unsure=True) from None

    def _commit(self, batch: Sequence[Operation], begun: Callable[[], None]) -> Awaitable[Sequence[Outcome[Answer]]]:
        def late() -> Callable[[], object]:
            arriving = [self._under_way(each) for each in batch]
            return lambda: [act() for act in arriving]

        return self._wire.trip("authority", self._gateway, lambda: [self._done(each) for each in batch], begun, late)

    def _under_way(self, operation: Operation) -> Callable[[], object]:
        if isinstance(operation, Claim):
            return self._database.claim_too_late(operation)
        return partial(self._database.settle, operation.grant, operation.settlement)

    def _done(self, operation: Operation) -> Outcome[Answer]:
        of = operation if isinstance(operation, Claim) else operation.grant
        if self._wire.trouble("damage", self._gateway) and self._database.stored(of.id) is not None:
            return RecordUnreadable("the record is damaged")
        if isinstance(operation, Claim):
            return self._database.claim(operation)
        return self._database.settle(operation.grant, operation.settlement)
