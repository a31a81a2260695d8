"""A record's text, taken apart strictly: what is damaged, cut or of another version is no record.

Knows the layout that ``scripts/record.lua`` describes, and is the only Python that does. Refuses to know what the parts
mean, and never takes a damaged record for an absent one (law 9).
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from struct import Struct, error

from gateway.errors import RecordUnreadable
from gateway.protocol.model import RecordId

PREFIX = b"ig:"

# Behind it, what a holder's keys are counted under: the sorted set of them.
HELD = b"ig:held:"

_VERSION = 1
_HEADER = Struct(">Bc8s16s6Q2H2BI")
_SUM_SIZE = 16
_PLAIN = _HEADER.size + _SUM_SIZE
_STAMP = slice(1, 26)
_LETTER = slice(1, 2)
_WORK = Struct(">QIIB16s")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class State(StrEnum):
    """What a record was when it was last written, as its one letter; time may have turned it since."""

    IN_FLIGHT = "f"
    IN_FLIGHT_TAKEN_OVER = "F"
    UNKNOWN = "u"
    UNKNOWN_TAKEN_OVER = "U"
    COMPLETED = "c"
    RELEASED = "r"
    EXPIRED = "e"


# What reading raises where it does not find what was written.
DAMAGE = (ValueError, OverflowError, LookupError, error)


@dataclass(frozen=True, slots=True)
class Times:
    """Instants as they are stored."""

    turns: int
    expires: int
    forgets: int
    created: int
    sent: int
    since: int


@dataclass(frozen=True, slots=True)
class Work:
    """A reconciler's: when the upstream is asked next, how often it was, and how often it knew nothing of the call."""

    at: datetime
    asks: int
    absent: int


@dataclass(frozen=True, slots=True)
class Parts:
    """A record's text, taken apart and found undamaged."""

    id: RecordId
    state: State
    fence: int
    owner: bytes
    times: Times
    identity: bytes
    route: str
    holder: bytes
    history: bytes
    rest: bytes


def key_of(record_id: RecordId) -> bytes:
    """The key that the record lies under; no other key of the store is as long."""
    return PREFIX + record_id.digest


def id_of(key: bytes) -> RecordId:
    """The record that lies under the key."""
    return RecordId(key.removeprefix(PREFIX))


def milliseconds(duration: timedelta) -> int:
    """A duration as it is stored."""
    return duration // _MILLISECOND


def instant(stored: int) -> datetime:
    """A stored instant."""
    return _EPOCH + timedelta(milliseconds=stored)


def since_1970(at: datetime) -> int:
    """An instant as it is stored."""
    return (at - _EPOCH) // _MILLISECOND


def stamp_of(text: bytes) -> bytes:
    """State, fence and owner of a record that was read: they change whenever it does."""
    return text[_STAMP]


def stamp(fence: int, owner: bytes) -> bytes:
    """Fence and owner of a grant."""
    return fence.to_bytes(8, "big") + owner


def stored_as(text: bytes, state: State) -> bool:
    """Whether a record that was read is written as that, whatever time has made of it."""
    return text[_LETTER] == state.encode()


def damaged(record_id: RecordId) -> RecordUnreadable:
    """The fault that a damaged record is."""
    return RecordUnreadable(f"record {str(record_id)[:12]} is damaged")


def parts_of(record_id: RecordId, text: bytes) -> Parts:
    """The parts of a record's text, with or without its answer; ``RecordUnreadable`` where it is none."""
    if text[:1] > bytes([_VERSION]):
        raise RecordUnreadable(f"record {str(record_id)[:12]} is of a newer version, or damaged")
    try:
        return _parts(record_id, text)
    except DAMAGE as fault:
        raise damaged(record_id) from fault


def _parts(record_id: RecordId, text: bytes) -> Parts:
    version, letter, fence, owner, *numbers = _HEADER.unpack_from(text)
    instants, sizes = numbers[:6], numbers[6:]
    state = State(letter.decode("ascii"))
    covered = text[_PLAIN : _PLAIN + sum(sizes) if state is State.COMPLETED else None]
    if version != _VERSION or text[_HEADER.size : _PLAIN] != _sum(record_id, text[: _HEADER.size], covered):
        raise ValueError("what the record says is not what was written")
    identity, route, _, holder, history, rest = _pieces(text[_PLAIN:], sizes)
    return Parts(
        id=record_id,
        state=state,
        fence=int.from_bytes(fence, "big"),
        owner=owner,
        times=Times(*instants),
        identity=identity,
        route=route.decode(),
        holder=holder,
        history=history,
        rest=rest,
    )


def _pieces(text: bytes, sizes: list[int]) -> Iterator[bytes]:
    at = 0
    for size in sizes:
        yield text[at : at + size]
        at += size
    yield text[at:]


def work_of(text: bytes) -> Work | None:
    """A reconciler's work as it lies in a record; nothing where none is to be done."""
    if not text:
        return None
    at, asks, absent, _, _ = _WORK.unpack_from(text)
    return Work(instant(at), asks, absent)


def values_of(text: bytes) -> bytes:
    """What the upstream is asked with, sealed, in a reconciler's work; empty where there is none."""
    return text[_WORK.size :]


def _sum(record_id: RecordId, header: bytes, covered: bytes) -> bytes:
    """Against damage, not against forgery: whoever may write here may as well delete."""
    whole = key_of(record_id) + header + covered
    return hashlib.sha1(whole, usedforsecurity=False).hexdigest()[:_SUM_SIZE].encode()
