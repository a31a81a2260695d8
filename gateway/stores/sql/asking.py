"""A reconciler's work: which unknown calls are due to be asked about, and what came of the last asking.

Plain functions over a connection, safe with and without a transaction around them. Work is taken by one statement that
puts off the next asking, and let go by a compare-and-set on the taking. Refuses to know what is asked, and where.
"""

import secrets
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, Select, Update, and_, bindparam, func, select, update

from gateway.errors import RecordUnreadable
from gateway.protocol.inquiries import Asked, Inquiry
from gateway.protocol.model import RecordId
from gateway.stores.codec import Codec
from gateway.stores.sql.clock import AuthorityNow, duration, milliseconds
from gateway.stores.sql.dialects import among, among_batch
from gateway.stores.sql.sweeping import LAPSED
from gateway.stores.sql.tables import State, records

_now = AuthorityNow()
_row = records.c

_UNKNOWN = and_(_row.state == int(State.UNKNOWN), _row.turns_at > _now)
# Searched for by the time of asking, which only unknown rows have; the other two are nothing to search an index for.
_DUE = and_(
    _row.asks_at.is_not(None),
    _row.asks_at <= _now,
    _row.state + 0 == int(State.UNKNOWN),
    _row.turns_at + 0 > _now,
)
# A lease that is over, of a call whose outcome is unknown by that.
_LAPSED = and_(
    _row.state == int(State.IN_FLIGHT),
    _row.turns_at <= _now,
    _row.turns_at + _row.unknown_ms > _now,
    _row.asks_with.is_not(None),
)
_TAKE = {"taken": bindparam("new_taken"), "asks_at": _now + bindparam("new_work_ms")}
_TAKEN = (_row.id, _row.fence, _row.route, _row.asks_with, _row.asks, _row.absent, (_now - _row.since).label("age"))


def _lapse(dialect: str) -> Update:
    batch = select(_row.id).where(_LAPSED, among(_row.route, "routes")[dialect]).limit(bindparam("of_limit"))
    return update(records).where(_LAPSED, among_batch(_row.id, batch)[dialect]).values(LAPSED)


def _next(dialect: str) -> Select[Any, Any]:
    of_routes = and_(_DUE, among(_row.route, "routes")[dialect])
    return (
        select(_row.id, _row.asks_at.label("was_due"))
        .where(of_routes)
        .order_by(_row.asks_at)
        .limit(bindparam("of_limit"))
    )


def _take_given() -> Update:
    # A row that another worker is at is not waited for. One that was locked was due, and stays so until it is updated.
    batch = _next("postgresql").with_for_update(skip_locked=True).cte("batch")
    taken = update(records).where(_row.id == batch.c.id).values(_TAKE)
    return taken.returning(*_TAKEN, batch.c.was_due)


_LAPSE = {dialect: _lapse(dialect) for dialect in ("sqlite", "postgresql")}
_TAKE_GIVEN = _take_given()
_NEXT = _next("sqlite")
_TAKE_THESE: Update = update(records).where(among(_row.id, "ids")["sqlite"], _DUE).values(_TAKE).returning(*_TAKEN)

_ASKED: Update = (
    update(records)
    .where(
        _UNKNOWN,
        _row.id == bindparam("of_id"),
        _row.fence == bindparam("of_fence"),
        _row.taken == bindparam("of_taken"),
    )
    .values(
        asks=func.coalesce(_row.asks, 0) + 1,
        absent=bindparam("new_absent"),
        asks_at=_now + bindparam("new_again_ms"),
        taken=None,
    )
)


def due(connection: Connection, codec: Codec, routes: Collection[str], work: timedelta, limit: int) -> list[Inquiry]:
    """Law Q1. Leases that are over are written down first: with that their calls are due too (Q3).

    Values that do not open are taken and told to nobody: what nobody can ask about is left to operators.
    """
    taken, dialect = secrets.token_bytes(16), connection.dialect.name
    wanted = {"routes": list(routes), "of_limit": limit}
    connection.execute(_LAPSE[dialect], wanted)
    found = _TAKING[dialect](connection, {**wanted, "new_taken": taken, "new_work_ms": milliseconds(work)})
    inquiries = (_inquiry(row, codec, taken) for _, row in sorted(found, key=lambda each: each[0]))
    return [each for each in inquiries if each is not None]


def _take_at_once(connection: Connection, asked: Mapping[str, Any]) -> list[tuple[int, Row[Any]]]:
    return [(row.was_due, row) for row in connection.execute(_TAKE_GIVEN, asked)]


def _take_alone(connection: Connection, asked: Mapping[str, Any]) -> list[tuple[int, Row[Any]]]:
    """In a transaction that nobody else writes beside; what a row was before is not returned by its update."""
    was_due: dict[bytes, int] = {row.id: row.was_due for row in connection.execute(_NEXT, asked)}
    return [(was_due[row.id], row) for row in connection.execute(_TAKE_THESE, {**asked, "ids": list(was_due)})]


# By dialect: rows as they were taken, and since when each was due.
_TAKING: Mapping[str, Callable[[Connection, Mapping[str, Any]], list[tuple[int, Row[Any]]]]] = {
    "sqlite": _take_alone,
    "postgresql": _take_at_once,
}


def _inquiry(row: Row[Any], codec: Codec, taken: bytes) -> Inquiry | None:
    record_id = RecordId(row.id)
    try:
        values = codec.open_values(record_id, row.fence, row.asks_with)
    except RecordUnreadable:
        return None
    asks, absent = row.asks or 0, row.absent or 0
    return Inquiry(record_id, row.fence, taken, row.route, values, duration(row.age), asks, absent)


def asked(connection: Connection, inquiry: Inquiry, result: Asked) -> bool:
    """Law Q2."""
    written = {
        "of_id": inquiry.id.digest,
        "of_fence": inquiry.fence,
        "of_taken": inquiry.taken,
        "new_absent": result.absent,
        "new_again_ms": milliseconds(result.again_in),
    }
    return connection.execute(_ASKED, written).rowcount == 1
