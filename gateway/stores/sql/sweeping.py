"""Sweeps: what time has made of the rows, written down.

Plain functions over a connection. A sweep changes no verdict: every deadline it writes is the one that the protocol
computes from the row, and each of its updates looks at state and time again, so it may race claims and settlements.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Connection, Delete, Update, and_, bindparam, delete, select, update

from gateway.ports import SweepCounts
from gateway.protocol.claims import LEASE_OVER
from gateway.stores.sql import histories
from gateway.stores.sql.clock import AuthorityNow
from gateway.stores.sql.dialects import among_batch
from gateway.stores.sql.statements import CLOSED, NO_RETENTION, asks_from
from gateway.stores.sql.tables import State, records

# A step of a sweep, by dialect.
Step: TypeAlias = Mapping[str, Update | Delete]

_now = AuthorityNow()
_row = records.c


def _due(*states: State) -> Mapping[str, ColumnElement[bool]]:
    """By dialect: whether a row is of a batch in these states that time has turned."""
    due = and_(_row.state.in_([int(state) for state in states]), _row.turns_at <= _now)
    batch = select(_row.id).where(due).limit(bindparam("of_limit"))
    return {name: and_(of_batch, due) for name, of_batch in among_batch(_row.id, batch).items()}


def _turn(state: State, values: Mapping[str, Any]) -> Step:
    return {name: update(records).where(due).values(values) for name, due in _due(state).items()}


LAPSED: Mapping[str, Any] = {
    "state": int(State.UNKNOWN),
    "turns_at": _row.turns_at + _row.unknown_ms,
    "forget_at": _row.turns_at + _row.unknown_ms + _row.key_ms,
    "since": _row.turns_at,
    "reason": LEASE_OVER,
    "asks_at": asks_from(_row.turns_at),
    "history": histories.LAPSED,
    **NO_RETENTION,
}
TOMBSTONE: Mapping[str, Any] = {
    **CLOSED,
    "head": None,
    "body": None,
    "state": int(State.EXPIRED),
    "turns_at": _row.forget_at,
    "forget_at": None,
    # With these two it tells by itself when it was completed, and when that was over (``histories``).
    "since": _row.turns_at,
    "response_ms": _row.response_ms,
}

# In this order a record may go all its way in one sweep.
STEPS: tuple[Step, ...] = (
    _turn(State.IN_FLIGHT, LAPSED),
    _turn(State.UNKNOWN, TOMBSTONE),
    _turn(State.COMPLETED, TOMBSTONE),
    {name: delete(records).where(due) for name, due in _due(State.RELEASED, State.EXPIRED).items()},
)


def turn(connection: Connection, step: Step, limit: int) -> int:
    """One step of a sweep over at most ``limit`` rows; how many there were."""
    return connection.execute(step[connection.dialect.name], {"of_limit": limit}).rowcount


def counts(turned: list[int]) -> SweepCounts:
    """The sweep's counts from those of its steps."""
    lapsed, unknown_expired, answers_expired, forgotten = turned
    return SweepCounts(lapsed, unknown_expired, answers_expired, forgotten)
