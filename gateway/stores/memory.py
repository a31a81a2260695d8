"""The reference store: the law applied to a mapping, and nothing else.

Knows one process, one event loop and its own clock. Refuses to know files, threads and other processes: what it holds
ends with it. Every step is atomic because nothing in it awaits.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self

from gateway.ports import Erasure, Keeper, SweepCounts
from gateway.protocol import claims
from gateway.protocol.dossier import (
    GATEWAY,
    HAPPENINGS,
    STATES,
    Event,
    Happening,
    State,
    turns,
)
from gateway.protocol.fingerprint import Digester
from gateway.protocol.model import (
    Busy,
    Claim,
    Completed,
    Forgotten,
    Grant,
    Granted,
    InFlight,
    MarkUnknown,
    Moved,
    Record,
    RecordId,
    Settled,
    Settlement,
    Unknown,
    Verdict,
)
from gateway.stores import digest_key
from gateway.stores.erasing import end_of_copies
from gateway.stores.following import Followers
from gateway.stores.memory_registry import MemoryRegistry
from gateway.stores.memory_sides import Side
from gateway.stores.watching import Watch


@dataclass(slots=True)
class MemoryStore(MemoryRegistry):
    """``ports.Authority`` and ``registry.Records`` for one process and as long as it lives."""

    _key_spaces: dict[str, str] = field(default_factory=dict[str, str])
    _erasures: dict[tuple[bytes, datetime], Erasure] = field(default_factory=dict[tuple[bytes, datetime], Erasure])
    _digest_fact: bytes | None = None
    _followers: Followers = field(default_factory=Followers)

    @classmethod
    async def open(cls) -> Self:
        """An empty store."""
        return cls()

    async def claim(self, claim: Claim) -> Verdict:
        """Laws 1, 2, 7 and 10 (``protocol.claims.judge``)."""
        now = self._now()
        record = self._record_of(claim)
        verdict = claims.judge(record, claim, now)
        if isinstance(verdict, Granted) and not _holds(record, verdict.grant):
            self._granted(claim.under(verdict.grant.id), verdict.grant, now)
        return verdict

    def _record_of(self, claim: Claim) -> Record | None:
        """Law 14: the record of the key, under whichever digest key it was made."""
        return next((record for each in claim.ids if (record := self._records.get(each)) is not None), None)

    def _granted(self, claim: Claim, grant: Grant, now: datetime) -> None:
        stored = self._records.get(claim.id)
        record = claims.as_of(stored, now)
        granted = claims.granted(record, claim, grant, now)
        if stored is None or record is None:
            side = self._sides[claim.id] = Side(claim.route, claim.key_id or claim.id, now, claim.values, claim.holder)
        else:
            side = self._sides[claim.id]
            side.tell(granted, *turns(stored, now))
            side.renew(claim, now)
        side.tell(granted, Event(now, Happening.TAKEN_OVER if grant.taken_over else Happening.GRANTED, grant.fence))
        self._records[claim.id] = granted

    async def settle(self, grant: Grant, settlement: Settlement) -> Settled | Moved:
        """Laws 2, 4, 5 and 6 (``protocol.claims.settle``)."""
        now = self._now()
        record = self._records.get(grant.id)
        ruling = claims.settle(record, grant, settlement, now)
        # What time alone has made of a record is written down by sweeps, which count it.
        if ruling.record is not None and ruling.record not in (record, claims.as_of(record, now)):
            note = settlement.reason if isinstance(settlement, MarkUnknown) else ""
            self._turned(ruling.record, Event(now, HAPPENINGS[type(ruling.record)], grant.fence, note=note), now)
        return ruling.answer

    async def watch(self, record_id: RecordId) -> Watch:
        """Word of its settlement."""
        return self._watches.watch(record_id)

    async def forget(
        self, record_id: RecordId, fence: int, by: str = GATEWAY, note: str = ""
    ) -> Forgotten | Moved | Busy:
        """Law 11 (``protocol.claims.forget``); that both are written down at once is more than E1 asks."""
        now = self._now()
        record = self._records.get(record_id)
        ruling = claims.forget(record, fence, now)
        self._followers.forgotten(record_id)
        if isinstance(ruling.answer, Forgotten) and ruling.record is not None:
            if isinstance(record, Completed):
                until = end_of_copies(record.replay_until)
                self._erasures.setdefault((record_id.digest, until), Erasure(record_id, until))
            if ruling.record != record:
                self._turned(ruling.record, Event(now, Happening.FORGOTTEN, fence, by, note), now)
        return ruling.answer

    def follow(self, keeper: Keeper) -> None:
        """Nobody else forgets anything of it."""
        self._followers.follow(keeper)

    async def look(self, record_id: RecordId) -> Record | None:
        """The record, turned by time."""
        return claims.as_of(self._records.get(record_id), self._now())

    async def sweep(self, limit: int) -> SweepCounts:
        """Writes down what time has made of at most ``limit`` records."""
        now = self._now()
        due = [
            (record, turned) for record in self._records.values() if (turned := claims.as_of(record, now)) is not record
        ]
        for record, turned in due[:limit]:
            if turned is None:
                del self._records[record.id], self._sides[record.id]
            else:
                self._sides[record.id].tell(turned, *turns(record, now))
                self._records[record.id] = turned
        self._erasures = {place: erasure for place, erasure in self._erasures.items() if erasure.until > now}
        return _counts(due[:limit])

    async def erasures(self, incarnation: str, after: Erasure | None, limit: int) -> Sequence[Erasure]:
        """Law E2."""
        now = self._now()
        last = (b"", now) if after is None else (after.id.digest, after.until)
        found = (self._erasures[place] for place in sorted(self._erasures) if place > last)
        return [each for each in found if each.until > now and each.erased_in != incarnation][:limit]

    async def erasure(self, record_id: RecordId) -> Erasure | None:
        """Law E2."""
        now = self._now()
        own = [each for each in self._erasures.values() if each.id == record_id and each.until > now]
        return max(own, key=lambda each: each.until, default=None)

    async def note_erased(self, erasures: Sequence[Erasure], incarnation: str) -> None:
        """Law E3."""
        self._now()
        for each in erasures:
            place = each.id.digest, each.until
            if place in self._erasures:
                self._erasures[place] = replace(each, erased_in=incarnation)

    async def count(self) -> Mapping[str, int]:
        """Records by state, turned by time."""
        now = self._now()
        turned = (claims.as_of(record, now) for record in self._records.values())
        counted = Counter(STATES[type(record)] for record in turned if record is not None)
        return {str(state): counted[state] for state in State}

    async def digest_keys(self, configured: Sequence[bytes | None], *, accept_change: bool = False) -> Digester:
        """The secrets of every digest, kept as long as the process lives."""
        self._now()
        facts = digest_key.Facts(self._first_fact, self._change_fact, self._needed)
        return await digest_key.join(facts, configured, accept_change=accept_change)

    async def _first_fact(self, proposed: bytes) -> bytes:
        self._digest_fact = self._digest_fact or proposed
        return self._digest_fact

    async def _change_fact(self, earlier: bytes, proposed: bytes) -> bytes:
        if self._digest_fact == earlier:
            self._digest_fact = proposed
        return self._digest_fact or proposed

    async def _needed(self, name: bytes) -> bool:
        return any(each.made_with == name for each in self._records)

    async def remember_key_space(self, namespace: str, settings: str, *, accept_change: bool) -> str | None:
        """The earlier, different settings of ``namespace``, unless the change is accepted."""
        self._now()
        earlier = self._key_spaces.get(namespace, settings)
        if earlier != settings and not accept_change:
            return earlier
        self._key_spaces[namespace] = settings
        return None

    async def ping(self) -> None:
        """Answers until the store is closed."""
        self._now()

    async def close(self) -> None:
        """Afterwards nothing is answered."""
        self._closed = True


def _holds(record: Record | None, grant: Grant) -> bool:
    """Whether the record is this very claim, repeated (law 1)."""
    return isinstance(record, InFlight) and (record.fence, record.owner) == (grant.fence, grant.owner)


def _counts(turned: list[tuple[Record, Record | None]]) -> SweepCounts:
    """A record may have gone through several turns since it was last looked at; each counts."""
    return SweepCounts(
        lapsed=sum(isinstance(was, InFlight) for was, _ in turned),
        unknown_expired=sum(
            isinstance(was, InFlight | Unknown) and not isinstance(now, Unknown) for was, now in turned
        ),
        answers_expired=sum(isinstance(was, Completed) for was, _ in turned),
        forgotten=sum(now is None for _, now in turned),
    )
