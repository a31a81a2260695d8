"""What happened to a record, as it lies in it: nothing while all was ordinary, else every event.

Knows how an event is written, and what the instants of an ordinary record tell. Refuses to know what time has done that
no script has written down: ``protocol.dossier.turns`` rules.
"""

from collections.abc import Iterator
from struct import Struct

from gateway.protocol.dossier import GATEWAY, TIME, Event, Happening
from gateway.stores.redis.layout import Parts, State, instant

_EVENT = Struct(">QcQB")
_SIZE = Struct(">H")

_MOST_OF_A_NAME, _MOST_OF_A_NOTE = 255, 200  # bytes, characters

_HAPPENINGS = {
    b"g": Happening.GRANTED,
    b"t": Happening.TAKEN_OVER,
    b"c": Happening.COMPLETED,
    b"u": Happening.UNKNOWN,
    b"r": Happening.RELEASED,
    b"f": Happening.FORGOTTEN,
    b"e": Happening.EXPIRED,
}


def said_by(by: str, note: str) -> tuple[bytes, bytes]:
    """Who and why, as an event holds them: the gateway itself is nobody by name."""
    who = "" if by == GATEWAY else by
    return who.encode()[:_MOST_OF_A_NAME].decode(errors="ignore").encode(), note[:_MOST_OF_A_NOTE].encode()


def written(parts: Parts) -> tuple[Event, ...]:
    """Every event that a script has written down, in words or in the record's instants."""
    return tuple(_told(parts.history)) if parts.history else tuple(_ordinary(parts))


def _ordinary(parts: Parts) -> Iterator[Event]:
    """One grant, and then an answer, and then its end."""
    times, fence = parts.times, parts.fence
    yield Event(instant(times.created), Happening.GRANTED, fence)
    if parts.state in (State.COMPLETED, State.EXPIRED):
        yield Event(instant(times.since), Happening.COMPLETED, fence)
    if parts.state is State.EXPIRED:
        yield Event(instant(times.expires), Happening.EXPIRED, fence, TIME)


def _told(history: bytes) -> Iterator[Event]:
    end = 1
    while end < len(history):
        (size,) = _SIZE.unpack_from(history, end)
        start = end + _SIZE.size
        end = start + size
        at, what, fence, name = _EVENT.unpack_from(history, start)
        start += _EVENT.size
        who, note = history[start : start + name].decode(), history[start + name : end].decode()
        yield Event(instant(at), _HAPPENINGS[what], fence, who or GATEWAY, note)
