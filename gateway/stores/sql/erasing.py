"""Forgetting, and the erasures that it leaves to do in front of this store.

Plain functions over a connection, safe with and without a transaction around them. An erasure is noted before the
record is turned, in a statement of its own: where the second one does not come to be, a copy is deleted for nothing.
Refuses to know what may be forgotten (``protocol.claims.forget``) and whether there is any front at all: another
gateway on this database may have one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Delete, Select, Update, and_, bindparam, delete, select, tuple_, update

from gateway.errors import StoreUnavailable
from gateway.ports import Erasure
from gateway.protocol import claims
from gateway.protocol.dossier import GATEWAY, Happening
from gateway.protocol.model import Busy, Expired, Forgotten, Moved, Record, RecordId
from gateway.stores.erasing import end_of_copies
from gateway.stores.sql import histories, statements
from gateway.stores.sql.claiming import as_read, confirmed
from gateway.stores.sql.clock import AuthorityNow, instant, since_1970
from gateway.stores.sql.dialects import arranged, given, if_absent
from gateway.stores.sql.rows import Row, Stored
from gateway.stores.sql.sweeping import TOMBSTONE
from gateway.stores.sql.tables import State, erasures, records

# Each round finds that the record was settled, or taken over, meanwhile.
_ROUNDS = 8

_now = AuthorityNow()
_row = erasures.c

_FORGET: Update = (
    update(records)
    .where(statements.AS_IT_WAS_READ)
    .values(
        {**TOMBSTONE, "turns_at": bindparam("new_turns_at"), "since": _now}
        | {"response_ms": None, "history": histories.AFTER}
    )
)
_NOTE = if_absent(erasures)
_LIVE: Select[Any] = select(erasures).where(_row.until > _now)
_LAST: Select[Any] = _LIVE.where(_row.id == bindparam("of_id")).order_by(_row.until.desc()).limit(1)
_NEXT: Select[Any] = (
    _LIVE.where(
        _row.erased_in.is_distinct_from(bindparam("of_incarnation")),
        tuple_(_row.id, _row.until) > tuple_(bindparam("of_id", type_=_row.id.type), bindparam("of_until")),
    )
    .order_by(_row.id, _row.until)
    .limit(bindparam("of_limit"))
)
_PURGE: Delete = delete(erasures).where(_row.until <= _now)


def _done_given() -> Update:
    rows = given(erasures, {"id": "of_id", "until": "of_until", "erased_in": "new_incarnation"})
    these = and_(_row.id == rows.c.id, _row.until == rows.c.until)
    return update(erasures).where(these).values(erased_in=rows.c.erased_in)


# By dialect; takes ``arranged`` rows.
_DONE: Mapping[str, Update] = {
    "sqlite": update(erasures)
    .where(_row.id == bindparam("of_id"), _row.until == bindparam("of_until"))
    .values(erased_in=bindparam("new_incarnation")),
    "postgresql": _done_given(),
}


@dataclass(frozen=True, slots=True)
class Forgetting:
    """What an operator wants to be forgotten; ``by`` and ``note`` are for its history."""

    id: RecordId
    fence: int
    by: str = GATEWAY
    note: str = ""


def forget(connection: Connection, wanted: Forgetting) -> Forgotten | Moved | Busy:
    """What forgetting came to (law 11). The caller commits before anybody hears it.

    The answer is not opened: one that does not open can be forgotten too.
    """
    for _ in range(_ROUNDS):
        row = connection.execute(statements.ONE, {"of_id": wanted.id.digest}).mappings().first()
        if row is None:
            return Moved()
        stored = Stored.of(row)
        ruling = claims.forget(stored.record, wanted.fence, stored.now)
        if not isinstance(ruling.answer, Forgotten) or _erased(connection, stored, ruling.record, wanted):
            return ruling.answer
    raise StoreUnavailable("the record changed too often to say what it is")


def _erased(connection: Connection, stored: Stored, ruled: Record | None, wanted: Forgetting) -> bool:
    """Whether the row holds nothing of the call by now, and that as durably as any commit."""
    row = stored.row
    if not isinstance(ruled, Expired) or row["state"] == State.EXPIRED:
        return confirmed(connection, row)
    if row["state"] == State.COMPLETED:
        noted = {"id": row["id"], "until": since_1970(end_of_copies(instant(row["turns_at"])))}
        connection.execute(_NOTE[connection.dialect.name], noted)
    written = as_read(row) | {
        "new_turns_at": since_1970(ruled.forget_at),
        "new_history": histories.write(stored.history),
        "new_end": histories.end_of(Happening.FORGOTTEN, wanted.fence, wanted.by, wanted.note),
    }
    return connection.execute(_FORGET, written).rowcount == 1


def erasure(connection: Connection, record_id: RecordId) -> Erasure | None:
    """The last one of a record, while a copy could live."""
    row = connection.execute(_LAST, {"of_id": record_id.digest}).mappings().first()
    return None if row is None else _erasure_of(row)


def open_erasures(connection: Connection, incarnation: str, after: Erasure | None, limit: int) -> list[Erasure]:
    """Those that are not done in this incarnation of a front, by id and end."""
    place = {"of_id": b"", "of_until": 0}
    if after is not None:
        place = {"of_id": after.id.digest, "of_until": since_1970(after.until)}
    asked = place | {"of_incarnation": incarnation, "of_limit": limit}
    return [_erasure_of(row) for row in connection.execute(_NEXT, asked).mappings()]


def note_erased(connection: Connection, done: Sequence[Erasure], incarnation: str) -> None:
    """Done in this incarnation; there is at least one."""
    rows = [
        {"of_id": each.id.digest, "of_until": since_1970(each.until), "new_incarnation": incarnation} for each in done
    ]
    dialect = connection.dialect.name
    connection.execute(_DONE[dialect], arranged(dialect, rows))


def purge(connection: Connection) -> None:
    """Those that no copy outlives. There are only as many as people have forgotten records, so they go at once."""
    connection.execute(_PURGE)


def _erasure_of(row: Row) -> Erasure:
    return Erasure(RecordId(row["id"]), instant(row["until"]), row["erased_in"])
