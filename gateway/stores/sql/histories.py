"""A record's history as a column: one line an event, most of them written by the statement that makes them happen.

Knows the written form, and which events a row tells without it. An ordinary call costs nothing here: the column is
empty, for its grant is told by ``created_at`` and its completion by the end and the length of its replay. From the
first event out of the ordinary on, the column has the grant and everything that followed, save what the row's own
columns tell yet: the completion of a call, and that a tombstone was made by time. Refuses to know statements.

A line: milliseconds since 1970, a letter, the fence, and by whom and why as JSON where that is not the gateway and
nothing: ``1795514400123u2["gateway","reset"]``.
"""

import json
import re
from collections.abc import Iterable, Mapping

from sqlalchemy import ColumnElement, RowMapping, Text, and_, bindparam, case, cast, func, literal

from gateway.protocol.claims import LEASE_OVER
from gateway.protocol.dossier import GATEWAY, TIME, Event, Happening, shortened
from gateway.stores.sql.clock import AuthorityNow, duration, instant, since_1970
from gateway.stores.sql.tables import State, records

LONGEST_NOTE = 200

_LETTERS: Mapping[Happening, str] = {
    Happening.GRANTED: "g",
    Happening.TAKEN_OVER: "t",
    Happening.COMPLETED: "c",
    Happening.UNKNOWN: "u",
    Happening.RELEASED: "r",
    Happening.FORGOTTEN: "f",
    Happening.EXPIRED: "e",
}
_HAPPENINGS = {letter: what for what, letter in _LETTERS.items()}
_LINE = re.compile(r"(\d+)([a-z])(\d+)(\[.*\])?")

_now = AuthorityNow()
_row = records.c


def end_of(what: Happening, fence: int, by: str = GATEWAY, note: str = "") -> str:
    """A line but for its instant."""
    return f"{_LETTERS[what]}{fence}{tail(by, note)}"


def tail(by: str = GATEWAY, note: str = "") -> str:
    """The last part of a line."""
    said = [by, note[:LONGEST_NOTE]]
    return "\n" if said == [GATEWAY, ""] else f"{json.dumps(said, separators=(',', ':'))}\n"


def write(history: Iterable[Event]) -> str:
    """Events as lines; of very many the beginning and the end."""
    return "".join(
        f"{since_1970(event.at)}{end_of(event.what, event.fence, event.by, event.note)}"
        for event in shortened(tuple(history))
    )


def read(text: str) -> list[Event]:
    """The events that were written; ``ValueError`` where they are no such."""
    return [_event(line) for line in text.splitlines()]


def _event(line: str) -> Event:
    found = _LINE.fullmatch(line)
    if found is None or found[2] not in _HAPPENINGS:
        raise ValueError("a line of a history that no version has written")
    by, note = json.loads(found[4]) if found[4] else (GATEWAY, "")
    return Event(instant(int(found[1])), _HAPPENINGS[found[2]], int(found[3]), str(by), str(note))


def history_of(row: RowMapping) -> list[Event]:
    """What happened to a row by the time it was written; ``ValueError`` where it does not tell."""
    created = Event(instant(row["created_at"]), Happening.GRANTED, row["fence"])
    history = [created] if row["history"] is None else read(row["history"])
    state, last = row["state"], history[-1].what
    # The end of the replay: a completed row has it before it, a tombstone that was one behind it.
    end = row["turns_at"] if state == State.COMPLETED else row["since"]
    if row["response_ms"] is not None and state in (State.COMPLETED, State.EXPIRED) and last != Happening.COMPLETED:
        at = instant(end) - duration(row["response_ms"])
        history.append(Event(at, Happening.COMPLETED, row["fence"]))
    if state == State.EXPIRED and last != Happening.FORGOTTEN:
        history.append(Event(instant(end), Happening.EXPIRED, row["fence"], TIME))
    return history


# In statements: what a row has seen so far, and one event more.

_TAIL = bindparam("new_tail", type_=Text)


def _line(at: ColumnElement[int], what: Happening, end: ColumnElement[str]) -> ColumnElement[str]:
    return cast(at, Text) + literal(_LETTERS[what], Text) + cast(_row.fence, Text) + end


_SO_FAR = func.coalesce(_row.history, _line(_row.created_at, Happening.GRANTED, literal(tail(), Text)))

# With the turn of time that a sweep writes down, or whoever comes before it.
LAPSED: ColumnElement[str] = _SO_FAR + _line(_row.turns_at, Happening.UNKNOWN, literal(tail(TIME, LEASE_OVER), Text))
_IS_LAPSED = and_(_row.state == int(State.IN_FLIGHT), _row.turns_at <= _now)

# A completion is told by its row, but for a lease that was over.
AT_COMPLETION: ColumnElement[str] = case((_IS_LAPSED, LAPSED), else_=_row.history)


def with_event(what: Happening) -> ColumnElement[str]:
    """``what`` has just happened, under the row's fence; the parameter ``new_tail`` says by whom and why."""
    return case((_IS_LAPSED, LAPSED), else_=_SO_FAR) + _line(_now, what, _TAIL)


# Something has just happened (``new_end``) after what was read and told (``new_history``). A whole history is written
# anew, so that this is where it is kept short: of every two events at least one comes this way.
AFTER: ColumnElement[str] = bindparam("new_history", type_=Text) + cast(_now, Text) + bindparam("new_end", type_=Text)
