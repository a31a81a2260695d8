"""What the reference store keeps beside a record: for people its route and history, for a reconciler its work.

Knows what a list and a dossier show. Refuses to know the law of a record: it is told what happened.
"""

from dataclasses import dataclass, field
from datetime import datetime

from gateway.protocol.dossier import (
    STATES,
    Dossier,
    Entry,
    Event,
    Query,
    State,
    answered,
    shortened,
    turns,
    until,
)
from gateway.protocol.inquiries import Asked, Inquiry
from gateway.protocol.model import Claim, Holder, Record, RecordId, Unknown


@dataclass(slots=True)
class Side:
    """``values`` are there while the record is in flight or unknown; ``taken`` is the last worker's, if any."""

    route: str
    key_id: RecordId
    created_at: datetime
    values: bytes | None
    holder: Holder | None = None
    history: list[Event] = field(default_factory=list[Event])
    asks: int = 0
    absent: int = 0
    taken: bytes = b""

    def renew(self, claim: Claim, now: datetime) -> None:
        """Another grant of the key: whatever was asked before is over."""
        self.route, self.created_at, self.values, self.holder = claim.route, now, claim.values, claim.holder
        self.asks, self.absent, self.taken = 0, 0, b""

    def tell(self, record: Record, *events: Event) -> None:
        """``events`` made ``record`` of it."""
        self.history = list(shortened([*self.history, *events]))
        if STATES[type(record)] not in _OPEN:
            self.values = None

    def entry(self, stored: Record, record: Record, now: datetime) -> Entry:
        """``stored`` as time has turned it into ``record``."""
        events = (*self.history, *turns(stored, now))
        asks_at = record.asks_at if isinstance(record, Unknown) else None
        return Entry(
            id=record.id,
            state=STATES[type(record)],
            route=self.route,
            fence=record.fence,
            created_at=self.created_at,
            since=events[-1].at,
            until=until(record),
            reason=record.reason if isinstance(record, Unknown) else "",
            asks=self.asks if asks_at else 0,
            asks_at=asks_at,
            caller=self.holder.name if self.holder else "",
        )

    def dossier(self, stored: Record, record: Record, now: datetime) -> Dossier:
        """The same with its history."""
        history = shortened([*self.history, *turns(stored, now)])
        return Dossier(self.entry(stored, record, now), history, *answered(record))

    def inquiry(self, record: Unknown, taken: bytes, now: datetime) -> Inquiry:
        """The work, taken by whoever holds ``taken``."""
        self.taken = taken
        age = now - record.since
        return Inquiry(record.id, record.fence, taken, self.route, self.values or b"", age, self.asks, self.absent)

    def asked(self, result: Asked) -> None:
        """The work is let go."""
        self.asks, self.absent, self.taken = self.asks + 1, result.absent, b""


_OPEN = frozenset({State.IN_FLIGHT, State.UNKNOWN})


def selects(query: Query, entry: Entry, key_id: RecordId) -> bool:
    """Whether ``query`` asks for this record, whose look-up digest without its caller is ``key_id``."""
    return (
        query.state in (None, entry.state)
        and query.route in (None, entry.route)
        and (query.created_after is None or entry.created_at > query.created_after)
        and (query.ids is None or bool(query.ids & {entry.id, key_id}))
        and (query.after is None or place(entry) < (query.after.created_at, query.after.id.digest))
    )


def place(entry: Entry) -> tuple[datetime, bytes]:
    """Where it stands in the order of lists."""
    return entry.created_at, entry.id.digest
