"""The reference store as people and reconcilers see it: every record is looked at, the plain way.

Knows the mapping of records and what lies beside them. Refuses to know claims and settlements.
"""

import secrets
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial

from gateway.errors import StoreUnavailable
from gateway.protocol import claims
from gateway.protocol.decisions import Decided, Decision, decide
from gateway.protocol.dossier import HAPPENINGS, Cursor, Dossier, Entry, Event, Open, Page, Query, State, turns
from gateway.protocol.inquiries import Asked, Inquiry
from gateway.protocol.model import Busy, Moved, Record, RecordId, Unknown
from gateway.registry import Resealed
from gateway.stores.memory_sides import Side, place, selects
from gateway.stores.watching import Watches


@dataclass(slots=True)
class MemoryRegistry:
    """``registry.Registry``, ``registry.Inquiries`` and ``registry.Resealing``."""

    _records: dict[RecordId, Record] = field(default_factory=dict[RecordId, Record])
    _sides: dict[RecordId, Side] = field(default_factory=dict[RecordId, Side])
    _watches: Watches = field(default_factory=Watches)
    _closed: bool = False

    async def decide(self, decision: Decision) -> Decided | Moved | Busy:
        """Laws 12 and 13 (``protocol.decisions.decide``)."""
        now = self._now()
        ruling = decide(self._records.get(decision.id), decision, now)
        if isinstance(ruling.answer, Decided) and ruling.record not in (None, self._records[decision.id]):
            what = HAPPENINGS[type(ruling.record)]
            self._turned(ruling.record, Event(now, what, ruling.answer.fence, decision.by, decision.note), now)
        return ruling.answer

    async def dossier(self, record_id: RecordId) -> Dossier | None:
        """Law R2."""
        now = self._now()
        stored = self._records.get(record_id)
        record = claims.as_of(stored, now)
        return None if stored is None or record is None else self._sides[record_id].dossier(stored, record, now)

    async def page(self, query: Query) -> Page:
        """Law R3, the plain way: every record is looked at."""
        found = sorted((each for each in self._entries() if self._selects(query, each)), key=place, reverse=True)
        entries = tuple(found[: query.limit])
        last = entries[-1] if len(found) > len(entries) and entries else None
        return Page(entries, Cursor(last.created_at, last.id) if last else None)

    async def open_calls(self) -> Sequence[Open]:
        """In flight and unknown, by route."""
        now = self._now()
        groups: dict[tuple[str, State], list[datetime]] = {}
        for entry in self._entries():
            if entry.state in (State.IN_FLIGHT, State.UNKNOWN):
                groups.setdefault((entry.route, entry.state), []).append(entry.since)
        return [Open(route, state, len(since), now - min(since)) for (route, state), since in groups.items()]

    async def held(self, digests: Sequence[bytes]) -> int:
        """Law H1."""
        self._now()
        holders = (side.holder for side in self._sides.values())
        return sum(holder is not None and holder.digest in digests for holder in holders)

    async def due(self, routes: Collection[str], work: timedelta, limit: int) -> Sequence[Inquiry]:
        """Law Q1: taking a record puts off its next asking until the work is over."""
        now = self._now()
        waiting = [
            (asks_at, record)
            for record in map(partial(claims.as_of, now=now), self._records.values())
            if isinstance(record, Unknown) and (asks_at := record.asks_at) is not None and asks_at <= now
            if self._sides[record.id].route in routes
        ]
        taken: list[Inquiry] = []
        for _, record in sorted(waiting, key=lambda each: each[0])[:limit]:
            taken.append(self._sides[record.id].inquiry(record, secrets.token_bytes(16), now))
            self._put_off(record, now, now + work)
        return taken

    async def asked(self, inquiry: Inquiry, result: Asked) -> bool:
        """Law Q2."""
        now = self._now()
        record = claims.as_of(self._records.get(inquiry.id), now)
        side = self._sides.get(inquiry.id)
        if not isinstance(record, Unknown) or side is None or side.taken != inquiry.taken:
            return False
        side.asked(result)
        self._put_off(record, now, now + result.again_in)
        return True

    async def reseal(self, after: bytes | None, limit: int, *, dry: bool = False) -> Resealed:
        """Law C1: what ends with the process lies in it as it is, so that there is nothing to seal."""
        del after, limit, dry
        self._now()
        return Resealed(looked_at=len(self._records))

    def _put_off(self, record: Unknown, now: datetime, asks_at: datetime) -> None:
        self._sides[record.id].tell(record, *turns(self._records[record.id], now))
        self._records[record.id] = replace(record, asks_at=asks_at)

    def _entries(self) -> Iterator[Entry]:
        now = self._now()
        for stored in self._records.values():
            record = claims.as_of(stored, now)
            if record is not None:
                yield self._sides[record.id].entry(stored, record, now)

    def _selects(self, query: Query, entry: Entry) -> bool:
        return selects(query, entry, self._sides[entry.id].key_id)

    def _turned(self, record: Record, event: Event, now: datetime) -> None:
        """Writes what ``event`` made of a record."""
        side = self._sides[record.id]
        side.tell(record, *turns(self._records[record.id], now), event)
        self._records[record.id] = record
        self._watches.tell(record.id)

    def _now(self) -> datetime:
        """The authority's clock; a closed store has none, so nothing can be decided by it."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        return datetime.now(UTC)
