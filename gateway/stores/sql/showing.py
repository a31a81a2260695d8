"""Rows as people see them: where a record stands, what happened to it, and whether its answer opens.

Plain functions over what was read. Refuses to know how rows are found, and to show what an answer says.
"""

from datetime import datetime

from sqlalchemy import Connection

from gateway.errors import RecordUnreadable
from gateway.protocol.dossier import STATES, Dossier, Entry, answered, shortened, turns, until
from gateway.protocol.model import Completed, Record, RecordId, Unknown
from gateway.stores.codec import Codec
from gateway.stores.sql import statements
from gateway.stores.sql.clock import duration, instant
from gateway.stores.sql.rows import Stored, record_of
from gateway.stores.sql.tables import State


def dossier(connection: Connection, codec: Codec, record_id: RecordId) -> Dossier | None:
    """Law R2."""
    row = connection.execute(statements.ONE, {"of_id": record_id.digest}).mappings().first()
    stored = None if row is None else Stored.of(row)
    record = None if stored is None else stored.turned
    if stored is None or record is None:
        return None
    return Dossier(_entry(stored, record), shortened(stored.history), *_answered(stored, record, codec))


def _answered(stored: Stored, record: Record, codec: Codec) -> tuple[int | None, int | None]:
    """Status and size, where the answer is replayed and opens."""
    if not isinstance(record, Completed):
        return None, None
    try:
        return answered(record_of(stored.row, codec))
    except RecordUnreadable:
        return None, None


def entry_of(stored: Stored) -> Entry | None:
    """The record as a list shows it; ``None`` where time has forgotten it."""
    record = stored.turned
    return None if record is None else _entry(stored, record)


def _entry(stored: Stored, record: Record) -> Entry:
    row = stored.row
    turned = turns(stored.record, stored.now)
    asks_at = record.asks_at if isinstance(record, Unknown) else None
    return Entry(
        id=record.id,
        state=STATES[type(record)],
        route=row["route"],
        fence=record.fence,
        created_at=instant(row["created_at"]),
        since=turned[-1].at if turned else _since(stored),
        until=until(record),
        reason=record.reason if isinstance(record, Unknown) else "",
        asks=row["asks"] or 0 if asks_at else 0,
        asks_at=asks_at,
        caller=row["caller"] or "",
    )


def _since(stored: Stored) -> datetime:
    """When it was written as it is."""
    row = stored.row
    match row["state"]:
        case State.IN_FLIGHT:
            return instant(row["created_at"])
        case State.COMPLETED:
            return instant(row["turns_at"]) - duration(row["response_ms"])
        case _:
            return instant(row["since"])
