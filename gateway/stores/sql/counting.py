"""Counts by state: what time has made of the rows, summed up.

Plain functions over a connection. A table so large that counting it would take seconds is sampled where the database
can do that (Postgres): the numbers are for people and metrics, and nothing is decided by them.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, FromClause, Select, and_, bindparam, case, func, or_, select, tablesample, text

from gateway.protocol.dossier import Open
from gateway.protocol.dossier import State as Shown
from gateway.stores.sql.clock import AuthorityNow, duration
from gateway.stores.sql.dialects import among
from gateway.stores.sql.tables import State, records

# Counted exactly up to this many rows, a quarter of a second's work; beyond, about so many are looked at.
EXACT = 500_000

_LONGEST_ID = 32

_now = AuthorityNow()
_row = records.c


def _turned(of: FromClause) -> Any:  # noqa: ANN401 - an expression
    """What a sweep would make of a row by now; nothing where it would forget it."""
    row = of.c
    lapsed = case(
        (row.turns_at + row.unknown_ms > _now, int(State.UNKNOWN)),
        (row.turns_at + row.unknown_ms + row.key_ms > _now, int(State.EXPIRED)),
    )
    return case((row.state == int(State.IN_FLIGHT), lapsed), (row.forget_at > _now, int(State.EXPIRED)))


def turned_state(of: FromClause) -> Any:  # noqa: ANN401 - an expression
    """What a row is by now; nothing where it is forgotten."""
    return case((of.c.turns_at > _now, of.c.state), else_=_turned(of))


# What has not turned is counted in the index alone.
_UNTURNED: Select[Any, int] = select(_row.state, func.count()).where(_row.turns_at > _now).group_by(_row.state)
_BY_NOW = _turned(records)
_TURNED: Select[Any, int] = select(_BY_NOW, func.count()).where(_row.turns_at <= _now).group_by(_BY_NOW)

_SIZE = text("SELECT reltuples FROM pg_class WHERE oid = 'records'::regclass")
_SAMPLE = tablesample(records, func.system(bindparam("of_percent")), name="sample")
_IN_SAMPLE = turned_state(_SAMPLE)
_SAMPLED: Select[Any, int] = select(_IN_SAMPLE, func.count()).group_by(_IN_SAMPLE)


def count(connection: Connection) -> dict[str, int]:
    """Records by state, turned by time; forgotten ones that no sweep has removed yet count nowhere."""
    size = connection.execute(_SIZE).scalar_one() if connection.dialect.name == "postgresql" else 0
    if size <= EXACT:
        return _by_label(connection, 1.0, _UNTURNED, _TURNED)
    share = EXACT / 4 / size
    return _by_label(connection, share, _SAMPLED.params(of_percent=100 * share))


_OF_A_KEY: Select[Any] = select(_row.id).where(_row.id.between(bindparam("of_first"), bindparam("of_last"))).limit(1)


def made_with(connection: Connection, name: bytes) -> bool:
    """Whether there are records whose ids begin so; one look into the primary key."""
    last = name.ljust(_LONGEST_ID, b"\xff")
    return connection.execute(_OF_A_KEY, {"of_first": name, "of_last": last}).first() is not None


_HELD: Mapping[str, Select[Any]] = {
    name: select(func.count()).where(_row.held_by.is_not(None), by_holder)
    for name, by_holder in among(_row.held_by, "of_holders").items()
}


def held(connection: Connection, digests: Sequence[bytes]) -> int:
    """Records of these holders; one look into an index, as long as they have records."""
    counted: int = connection.execute(_HELD[connection.dialect.name], {"of_holders": sorted(digests)}).scalar_one()
    return counted


def _by_label(connection: Connection, share: float, *statements: Select[Any, int]) -> dict[str, int]:
    counted: Counter[int] = Counter()
    for statement in statements:
        for state, number in connection.execute(statement):
            if state is not None:
                counted[state] += round(number / share)
    return {state.label: counted[state] for state in State}


# Open calls are looked at up to this many; of more, the shares are told of all that the index counts.
OPEN = 200_000

_IS_OPEN = _row.state.in_([int(State.IN_FLIGHT), int(State.UNKNOWN)])
_STILL_OPEN = or_(
    and_(_row.state == int(State.IN_FLIGHT), _row.turns_at + _row.unknown_ms > _now),
    and_(_row.state == int(State.UNKNOWN), _row.turns_at > _now),
)
_SINCE = case(
    (_row.state == int(State.UNKNOWN), _row.since),
    (_row.turns_at > _now, _row.created_at),
    else_=_row.turns_at,
)
_CALLS = (
    select(_row.route, turned_state(records).label("state"), _SINCE.label("since"))
    .where(_IS_OPEN, _STILL_OPEN)
    .limit(bindparam("of_limit"))
    .subquery()
)
_OPEN: Select[Any, Any, int, int] = select(
    _CALLS.c.route, _CALLS.c.state, func.count().label("number"), (_now - func.min(_CALLS.c.since)).label("oldest")
).group_by(_CALLS.c.route, _CALLS.c.state)
_ALL_OPEN: Select[int] = select(func.count()).where(_IS_OPEN)


def open_calls(connection: Connection, limit: int = OPEN) -> list[Open]:
    """In flight and unknown, by route, and for how long the oldest has been so."""
    rows = connection.execute(_OPEN, {"of_limit": limit}).all()
    looked_at = sum(row.number for row in rows)
    times = connection.execute(_ALL_OPEN).scalar_one() / limit if looked_at == limit else 1
    return [
        Open(row.route, Shown(State(row.state).label), round(row.number * times), duration(row.oldest)) for row in rows
    ]
