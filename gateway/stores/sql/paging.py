"""Lists of records, newest first: by state, route, age and key, as time has turned them.

Plain functions over a connection. A list is put together of branches, one for each state that is stored, for each of
which there is an index in its order; a branch gives no more rows than are shown, so that a page costs the same however
many records there are. A route has no index: a page of one looks at so many records, and is short, or even empty,
where it found too few of them by then; it still says where to go on.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Select, and_, literal_column, not_, or_, select, union_all

from gateway.protocol.dossier import Cursor, Entry, Page, Query
from gateway.protocol.dossier import State as Shown
from gateway.protocol.model import RecordId
from gateway.stores.sql.clock import AuthorityNow, instant, since_1970
from gateway.stores.sql.counting import turned_state
from gateway.stores.sql.dialects import among
from gateway.stores.sql.rows import Stored
from gateway.stores.sql.showing import entry_of
from gateway.stores.sql.tables import State, records

# Of a route: records that one statement looks at, and statements for one page.
SCAN, ROUNDS = 5_000, 4

_now = AuthorityNow()
_row = records.c
_SHOWN = tuple(column.name for column in _row if column.name not in ("head", "body", "history"))
_PLACE = ("created_at", "id")

_Condition = ColumnElement[bool]

_STAYS, _TURNED = _row.turns_at > _now, _row.turns_at <= _now
# The same, but nothing to search an index for: SQLite would take the one by turn, and put all of a state in order.
_SETTLED_STAYS = _row.turns_at + 0 > _now
_REMEMBERED = _row.forget_at > _now
# What no sweep has written down yet.
_UNSWEPT = and_(_TURNED, _REMEMBERED)
_LAPSED = and_(_TURNED, _row.turns_at + _row.unknown_ms > _now)
_LAPSED_LONG_AGO = and_(_row.turns_at + _row.unknown_ms <= _now, _row.turns_at + _row.unknown_ms + _row.key_ms > _now)

# What is stored of the records that are shown, or of those in one state, and which of it time has made so. Literals,
# for the indexes are partial.
_STORED: dict[Shown | None, dict[State, _Condition]] = {
    None: {
        State.IN_FLIGHT: _row.turns_at + _row.unknown_ms + _row.key_ms > _now,
        State.COMPLETED: _REMEMBERED,
        State.UNKNOWN: _REMEMBERED,
        State.RELEASED: _SETTLED_STAYS,
        State.EXPIRED: _SETTLED_STAYS,
    },
    Shown.IN_FLIGHT: {State.IN_FLIGHT: _STAYS},
    Shown.COMPLETED: {State.COMPLETED: _SETTLED_STAYS},
    Shown.UNKNOWN: {State.UNKNOWN: _SETTLED_STAYS, State.IN_FLIGHT: _LAPSED},
    Shown.RELEASED: {State.RELEASED: _SETTLED_STAYS},
    Shown.EXPIRED: {
        State.EXPIRED: _SETTLED_STAYS,
        State.COMPLETED: _UNSWEPT,
        State.UNKNOWN: _UNSWEPT,
        State.IN_FLIGHT: _LAPSED_LONG_AGO,
    },
}


def page(connection: Connection, query: Query, scan: int = SCAN, rounds: int = ROUNDS) -> Page:
    """Law R3."""
    found: list[Entry] = []
    after, floor = query.after, None
    for _ in range(rounds):
        floor = _floor(connection, query, after, scan)
        found += _entries(connection, query, after, floor)
        if floor is None or len(found) > query.limit:
            break
        after = floor
    shown = tuple(found[: query.limit])
    if len(found) > query.limit:
        return Page(shown, Cursor(shown[-1].created_at, shown[-1].id))
    return Page(shown, floor)


def _entries(connection: Connection, query: Query, after: Cursor | None, floor: Cursor | None) -> list[Entry]:
    """One more than is shown, if there are so many down to ``floor``."""
    limit = query.limit + 1

    def wanted(of: FromClause) -> list[_Condition]:
        of_route = [of.c.route == query.route] if query.route is not None else []
        return [*of_route, *_between(of, query, after, floor)]

    if query.ids is None:
        branches = [_ordered(source, wanted(source), limit) for source in _sources(query.state)]
    else:
        state = turned_state(records)
        in_state = state.is_not(None) if query.state is None else state == int(_STORED_AS[query.state])
        branches = [
            _ordered(records, [of_key, in_state, *wanted(records)], limit)
            for of_key in _of_key(connection.dialect.name)
        ]
    parameters = {} if query.ids is None else {"ids": sorted(each.digest for each in query.ids)}
    rows = connection.execute(_merged(branches).limit(limit), parameters).mappings()
    return [entry for entry in map(entry_of, map(Stored.of, rows)) if entry is not None]


# The state as it is stored, of the state as it is shown.
_STORED_AS = {shown: next(iter(stored)) for shown, stored in _STORED.items() if shown is not None}


def _of_key(dialect: str) -> Sequence[_Condition]:
    """By the digest that is the id, and by the one that leaves the caller out."""
    by_id, by_key = among(_row.id, "ids")[dialect], among(_row.key_id, "ids")[dialect]
    return by_id, and_(_row.key_id.is_not(None), by_key, not_(by_id))


def _floor(connection: Connection, query: Query, after: Cursor | None, scan: int) -> Cursor | None:
    """How far one statement looks for records of a route; ``None``: to the end."""
    if query.route is None or query.ids is not None:
        return None
    branches = [
        _ordered(source, _between(source, query, after, None), scan, _PLACE) for source in _sources(query.state)
    ]
    last = connection.execute(_merged(branches).limit(1).offset(scan - 1)).first()
    return None if last is None else Cursor(instant(last.created_at), RecordId(last.id))


def _sources(state: Shown | None) -> list[FromClause]:
    return [_source(stored, condition) for stored, condition in _STORED[state].items()]


def _source(state: State, condition: _Condition) -> FromClause:
    """The rows that are stored in one state."""
    is_stored = _row.state == literal_column(str(int(state)))
    rows = select(*(_row[name] for name in _SHOWN)).where(is_stored, condition)
    if state is State.IN_FLIGHT:
        return rows.subquery()
    rows = rows.where(_row.state > literal_column("1"))
    # What is not swept is little, and the oldest there is: it is not searched for from the newest on, but found by
    # itself, as every subquery with an offset is.
    return (rows.offset(0) if condition is _UNSWEPT else rows).subquery()


def _between(of: FromClause, query: Query, after: Cursor | None, floor: Cursor | None) -> list[_Condition]:
    """Those created after a moment, below ``after``, down to ``floor`` and with it."""
    created, record_id, conditions = of.c.created_at, of.c.id, list[_Condition]()
    if query.created_after is not None:
        conditions.append(created > since_1970(query.created_after))
    if after is not None:
        at = since_1970(after.created_at)
        conditions += [created <= at, or_(created < at, record_id < after.id.digest)]
    if floor is not None:
        at = since_1970(floor.created_at)
        conditions += [created >= at, or_(created > at, record_id >= floor.id.digest)]
    return conditions


def _ordered(
    of: FromClause, conditions: Sequence[_Condition], limit: int, columns: Sequence[str] = _SHOWN
) -> Select[Any]:
    shown = (of.c[name] for name in columns)
    return select(*shown).where(*conditions).order_by(of.c.created_at.desc(), of.c.id.desc()).limit(limit)


def _merged(branches: Sequence[Select[Any]]) -> Select[Any]:
    together = union_all(*(select(branch.subquery()) for branch in branches)).subquery()
    return select(together, _now.label("now")).order_by(together.c.created_at.desc(), together.c.id.desc())
