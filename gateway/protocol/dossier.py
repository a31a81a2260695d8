"""What people are shown of a record: where it stands, what happened to it, and how many others there are.

Knows the states by the names that people see, and the pages in which records are listed. Refuses to know keys,
credentials, request bodies and the bodies of answers: nothing here could show one. Instants are the authority's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never

from gateway.protocol.claims import LEASE_OVER, as_of
from gateway.protocol.model import (
    Completed,
    Expired,
    InFlight,
    NotKept,
    Record,
    RecordId,
    Released,
    StoredResponse,
    Unknown,
)


class State(StrEnum):
    """What a record is, as people and programs read it."""

    IN_FLIGHT = "in-flight"
    COMPLETED = "completed"
    UNKNOWN = "unknown"
    RELEASED = "released"
    EXPIRED = "expired"


class Happening(StrEnum):
    """What can happen to a record."""

    GRANTED = "granted"
    TAKEN_OVER = "taken-over"  # granted although an earlier attempt may have been executed (``on_unknown: retry``)
    COMPLETED = "completed"
    UNKNOWN = "unknown"
    RELEASED = "released"
    FORGOTTEN = "forgotten"
    EXPIRED = "expired"


STATES: Mapping[type[Record], State] = {
    InFlight: State.IN_FLIGHT,
    Completed: State.COMPLETED,
    Unknown: State.UNKNOWN,
    Released: State.RELEASED,
    Expired: State.EXPIRED,
}

# What a settlement or a decision is called, by what it made of the record.
HAPPENINGS: Mapping[type[Record], Happening] = {
    Completed: Happening.COMPLETED,
    Unknown: Happening.UNKNOWN,
    Released: Happening.RELEASED,
}

# Of a history that is longer, so many of the beginning and of the end are kept.
FIRST_EVENTS, LAST_EVENTS = 20, 80

# Whose word it was, where it was no person's: the call itself, the passing of time, the reconciler.
GATEWAY, TIME, RECONCILER = "gateway", "time", "reconciler"

# An operator without a name: no tokens are configured, and the word came from the machine itself.
LOOPBACK = "loopback"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to a record under ``fence``. ``by``: an operator's name, or one of those above.

    ``note``: why the outcome became unknown, or what an operator said of a decision; never more than 200 characters.
    """

    at: datetime
    what: Happening
    fence: int
    by: str = GATEWAY
    note: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One record as a list shows it.

    ``since``: when it became what it is; ``until``: when time turns it (a lease, a replay, a tombstone ends);
    ``reason``: why an unknown is one. ``asks`` of a reconciler so far, and when it asks next, while one is at work.
    ``caller``: the name of whom the gateway knew to call, empty where it knew nobody.
    """

    id: RecordId
    state: State
    route: str
    fence: int
    created_at: datetime
    since: datetime
    until: datetime
    reason: str = ""
    asks: int = 0
    asks_at: datetime | None = None
    caller: str = ""


@dataclass(frozen=True, slots=True)
class Dossier:
    """A record and what happened to it, oldest first; of a long history the beginning and the end are kept.

    ``status``: of a completed answer, ``None`` where it does not open; ``size``: of its body in bytes, ``None`` where
    it was not kept.
    """

    entry: Entry
    history: tuple[Event, ...]
    status: int | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the list: everything older than this record, newest first; ids order what was created at once."""

    created_at: datetime
    id: RecordId


@dataclass(frozen=True, slots=True)
class Query:
    """Which records a page lists; what is ``None`` selects nothing. ``ids``: look-up digests of one key's text, one for
    each namespace it may be in; they find the records of callers kept apart too."""

    state: State | None = None
    route: str | None = None
    created_after: datetime | None = None
    ids: frozenset[RecordId] | None = None
    after: Cursor | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Page:
    """Some of them, newest first; ``next`` is ``None`` at the end."""

    entries: tuple[Entry, ...]
    next: Cursor | None = None


@dataclass(frozen=True, slots=True)
class Open:
    """How many calls of a route are in flight or unknown, and for how long the oldest has been so."""

    route: str
    state: State
    count: int
    oldest: timedelta


def until(record: Record) -> datetime:
    """When time turns it."""
    match record:
        case InFlight():
            return record.lease_until
        case Completed():
            return record.replay_until
        case Unknown():
            return record.expire_at
        case Released() | Expired():
            return record.forget_at
        case _:
            assert_never(record)


def answered(record: Record) -> tuple[int | None, int | None]:
    """Status and size of its answer, as a dossier has them."""
    match record:
        case Completed(answer=StoredResponse(status=status, body=body)):
            return status, len(body)
        case Completed(answer=NotKept(status=status)):
            return status, None
        case _:
            return None, None


def turns(record: Record, now: datetime) -> tuple[Event, ...]:
    """What time has made of a record by ``now``: a lease that is over, an answer or an unknown that expired."""
    match record:
        case InFlight() if record.lease_until <= now:
            over = Event(record.lease_until, Happening.UNKNOWN, record.fence, TIME, LEASE_OVER)
            lapsed = as_of(record, record.lease_until)
            return over, *(turns(lapsed, now) if lapsed else ())
        case Unknown() | Completed() if until(record) <= now:
            return (Event(until(record), Happening.EXPIRED, record.fence, TIME),)
        case _:
            return ()


def shortened(history: Sequence[Event]) -> tuple[Event, ...]:
    """The beginning and the end of a history."""
    if len(history) <= FIRST_EVENTS + LAST_EVENTS:
        return tuple(history)
    return *history[:FIRST_EVENTS], *history[-LAST_EVENTS:]
