"""What people are shown of a record: an entry of a list, or all that happened to it.

Knows how a record's parts and its history become ``protocol.dossier``'s values. Refuses to open an answer for a list,
and to show one at all.
"""

from dataclasses import replace
from datetime import datetime

from gateway.errors import RecordUnreadable
from gateway.protocol.claims import as_of
from gateway.protocol.dossier import STATES, Dossier, Entry, Event, answered, shortened, turns, until
from gateway.protocol.model import Completed, Record, RecordId, Unknown
from gateway.stores.codec import Codec
from gateway.stores.redis.histories import written
from gateway.stores.redis.layout import DAMAGE, Parts, damaged, instant, parts_of
from gateway.stores.redis.records import answer_of, name_in, unopened, work_in


def entry_of(record_id: RecordId, text: bytes, now: datetime) -> Entry | None:
    """The record as a list shows it; ``None`` once time has forgotten it, ``RecordUnreadable`` where it is none."""
    parts = parts_of(record_id, text)
    record = as_of(stored := unopened(parts), now)
    return None if record is None else _entry(parts, record, _history(parts, stored, now))


def dossier_of(record_id: RecordId, text: bytes, now: datetime, codec: Codec) -> Dossier | None:
    """The record with its history, its answer told by status and size where it opens."""
    parts = parts_of(record_id, text)
    record = as_of(stored := unopened(parts), now)
    if record is None:
        return None
    history = _history(parts, stored, now)
    return Dossier(_entry(parts, record, history), shortened(history), *_answered(parts, record, codec))


def _history(parts: Parts, stored: Record, now: datetime) -> tuple[Event, ...]:
    try:
        return *written(parts), *turns(stored, now)
    except DAMAGE as fault:
        raise damaged(parts.id) from fault


def _entry(parts: Parts, record: Record, history: tuple[Event, ...]) -> Entry:
    work = work_in(parts) if isinstance(record, Unknown) else None
    return Entry(
        id=record.id,
        state=STATES[type(record)],
        route=parts.route,
        fence=record.fence,
        created_at=instant(parts.times.created),
        since=history[-1].at,
        until=until(record),
        reason=record.reason if isinstance(record, Unknown) else "",
        asks=work.asks if work else 0,
        asks_at=record.asks_at if isinstance(record, Unknown) else None,
        caller=name_in(parts.holder),
    )


def _answered(parts: Parts, record: Record, codec: Codec) -> tuple[int | None, int | None]:
    if not isinstance(record, Completed):
        return None, None
    try:
        return answered(replace(record, answer=answer_of(parts, codec)))
    except (RecordUnreadable, *DAMAGE):
        return None, None
