"""The statements of claims and settlements, built once: each is compiled a single time, and few texts are seen.

Knows which condition makes each change safe to race: every update of a record is a compare-and-set on what was read or
granted, and compares time with the database's own clock. Refuses to know how or in what order they are run.
Parameters are named ``of_…`` where they are compared and ``new_…`` where they are written.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Insert,
    Select,
    Update,
    and_,
    bindparam,
    case,
    literal,
    or_,
    select,
    update,
)

from gateway.protocol.dossier import Happening
from gateway.stores.sql import histories
from gateway.stores.sql.clock import AuthorityNow
from gateway.stores.sql.dialects import among, given, if_absent
from gateway.stores.sql.tables import State, records

_now = AuthorityNow()
_row = records.c

# A grant: the first of its key, or one written over a row that was judged free (laws 1 and 2).

_IN_FLIGHT: Mapping[str, Any] = {
    "state": int(State.IN_FLIGHT),
    "fence": bindparam("new_fence"),
    "owner": bindparam("new_owner"),
    "turns_at": _now + bindparam("new_lease_ms"),
    "recipe": bindparam("new_recipe"),
    "scope": bindparam("new_scope"),
    "fingerprint": bindparam("new_fingerprint"),
    "created_at": _now,
    "response_ms": bindparam("new_response_ms"),
    "key_ms": bindparam("new_key_ms"),
    "unknown_ms": bindparam("new_unknown_ms"),
    "route": bindparam("new_route"),
    "key_id": bindparam("new_key_id"),
    "held_by": bindparam("new_held_by"),
    "caller": bindparam("new_caller"),
    "asks_with": bindparam("new_asks_with"),
}
AS_IT_WAS_READ = and_(
    _row.id == bindparam("of_id"),
    _row.fence == bindparam("of_fence"),
    _row.owner == bindparam("of_owner"),
    _row.state == bindparam("of_state"),
)
_NO_ANSWER = {"head": None, "body": None}

_FIRST: Mapping[str, Any] = {
    **_IN_FLIGHT,
    "id": bindparam("new_id"),
    "shared": bindparam("new_shared"),
    "first_sent_at": _now,
    "taken_over": 0,
}
_PLAIN = if_absent(records)


def _first_grants_given() -> Insert:
    """Many rows in one statement: what is a parameter in the grant of one row is a column of what was given."""
    names = {column: value.key for column, value in _FIRST.items() if isinstance(value, BindParameter)}
    rows = given(records, names | {"turns_at": "new_lease_ms"})
    values = {
        column: rows.c[column] if column in names else literal(value) if isinstance(value, int) else value
        for column, value in {**_FIRST, "turns_at": _now + rows.c.turns_at}.items()
    }
    return _PLAIN["postgresql"].from_select(list(values), select(*values.values()))


# By dialect. Returns id and owner of every row that was written; for ``arranged`` rows in the order of their ids.
FIRST_GRANT: Mapping[str, Insert] = {
    "sqlite": _PLAIN["sqlite"].values(_FIRST).returning(_row.id, _row.owner),
    "postgresql": _first_grants_given().returning(_row.id, _row.owner),
}

# Nothing of a reconciler's work: it was about another call, or is over.
_NOBODY_ASKS = {"asks": None, "absent": None, "asks_at": None, "taken": None}
_AGAIN = {**_IN_FLIGHT, **_NO_ANSWER, **_NOBODY_ASKS, "forget_at": None, "since": None, "reason": None}

# Over what time has forgotten, and what a release has freed: a new history, and one more grant in the same.
GRANT_ANEW: Update = (
    update(records).where(AS_IT_WAS_READ).values({**_AGAIN, "first_sent_at": _now, "taken_over": 0, "history": None})
)
GRANT_AGAIN: Update = GRANT_ANEW.values(history=histories.AFTER)

# Keeps the moment of the first sending, and asks the clock once more whether the upstream still deduplicates.
TAKE_OVER: Update = (
    update(records)
    .where(AS_IT_WAS_READ, _row.first_sent_at + bindparam("of_takeover_ms") > _now)
    .values({**_AGAIN, "taken_over": 1, "history": histories.AFTER})
)

# Changes nothing, and commits: what was read was committed before it, and is as durable now as this is. The wait for a
# synchronous standby may have been cut short when the row was written, and reading it tells nothing of that.
CONFIRM: Update = update(records).where(AS_IT_WAS_READ).values(owner=_row.owner)

# A statement of its own, after the insert: in one statement with it, who lost would see nothing.
LOSERS: Mapping[str, Select[Any]] = {
    name: select(records, _now.label("now")).where(among_ids) for name, among_ids in among(_row.id, "ids").items()
}
ONE: Select[Any] = select(records, _now.label("now")).where(_row.id == bindparam("of_id"))


def asks_from(at: ColumnElement[int]) -> ColumnElement[int]:
    """When a reconciler asks first, if the claim left what it asks with."""
    return case((_row.asks_with.is_not(None), at))


# A settlement: it takes effect while its grant is the newest and the record is open (laws 2, 4 and 5).

_GRANT_IS_NEWEST = and_(
    _row.id == bindparam("of_id"),
    _row.fence == bindparam("of_fence"),
    _row.owner == bindparam("of_owner"),
)
_UNDER_LEASE = and_(_row.state == int(State.IN_FLIGHT), _row.turns_at > _now)
OPEN = or_(
    and_(_row.state == int(State.IN_FLIGHT), _row.turns_at + _row.unknown_ms > _now),
    and_(_row.state == int(State.UNKNOWN), _row.turns_at > _now),
)
NO_RETENTION = {"response_ms": None, "key_ms": None, "unknown_ms": None}

# What only an open record has; values are gone with it.
CLOSED: Mapping[str, Any] = {
    "taken_over": None,
    "first_sent_at": None,
    "since": None,
    "reason": None,
    "asks_with": None,
    **NO_RETENTION,
    **_NOBODY_ASKS,
}


def _completed(response_ms: Any, key_ms: Any, head: Any, body: Any) -> Mapping[str, Any]:  # noqa: ANN401 - expressions
    return {
        **CLOSED,
        "state": int(State.COMPLETED),
        "turns_at": _now + response_ms,
        "forget_at": _now + response_ms + key_ms,
        "response_ms": response_ms,
        "history": histories.AT_COMPLETION,
        "head": head,
        "body": body,
    }


COMPLETED = _completed(*(bindparam(f"new_{name}") for name in ("response_ms", "key_ms", "head", "body")))

# Run for many rows on SQLite, whose driver then tells how many took effect together, and not which.
COMPLETE_EACH: Update = update(records).where(_GRANT_IS_NEWEST, OPEN).values(COMPLETED)
COMPLETE: Update = COMPLETE_EACH.returning(_row.turns_at, _row.waited)
DEADLINES = select(_row.id, _row.fence, _row.owner, _row.turns_at, _row.waited).where(among(_row.id, "ids")["sqlite"])


def _complete_given() -> Update:
    grant = {name: f"of_{name}" for name in ("id", "fence", "owner")}
    answer = {name: f"new_{name}" for name in ("response_ms", "key_ms", "head", "body")}
    rows = given(records, grant | answer)
    newest = and_(*(_row[name] == rows.c[name] for name in grant))
    completed = update(records).where(newest, OPEN).values(_completed(*(rows.c[name] for name in answer)))
    return completed.returning(_row.id, _row.fence, _row.owner, _row.turns_at, _row.waited)


# Many in one statement on Postgres; returns those that took effect.
COMPLETE_GIVEN: Update = _complete_given()

FREED: Mapping[str, Any] = {
    **CLOSED,
    "state": int(State.RELEASED),
    "turns_at": _now + bindparam("new_key_ms"),
    "forget_at": None,
    "since": _now,
    "recipe": None,
    "scope": None,
    "fingerprint": None,
}
RELEASE: Update = (
    update(records)
    .where(_GRANT_IS_NEWEST, OPEN, _row.taken_over == 0)
    .values({**FREED, "history": histories.with_event(Happening.RELEASED)})
    .returning(_row.turns_at, _row.waited)
)

_TURN_UNKNOWN: Mapping[str, Any] = {
    "state": int(State.UNKNOWN),
    "turns_at": _now + bindparam("new_unknown_ms"),
    "forget_at": _now + bindparam("new_unknown_ms") + bindparam("new_key_ms"),
    "since": _now,
    "reason": bindparam("new_reason"),
    "asks_at": asks_from(_now),
    "history": histories.with_event(Happening.UNKNOWN),
    **NO_RETENTION,
}

MARK_UNKNOWN: Update = (
    update(records).where(_GRANT_IS_NEWEST, _UNDER_LEASE).values(_TURN_UNKNOWN).returning(_row.turns_at, _row.waited)
)

# The first attempt may have acted, so a release of the second leads back (law 5).
RETURN_TO_UNKNOWN: Update = (
    update(records)
    .where(_GRANT_IS_NEWEST, _UNDER_LEASE, _row.taken_over == 1)
    .values(_TURN_UNKNOWN)
    .returning(_row.turns_at, _row.waited)
)
