"""A record as the scripts write it, read strictly: what is not wholly one of the five states does not open.

Knows the layout that ``scripts/record.lua`` describes, and is the only Python that does. Refuses to know commands, and
never takes a damaged record for an absent or a released one (law 9).
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from struct import Struct, error

from gateway.errors import RecordUnreadable
from gateway.protocol.model import (
    Claim,
    Completed,
    Expired,
    Identity,
    InFlight,
    NotKept,
    Record,
    RecordId,
    Released,
    Retention,
    StoredResponse,
    Unknown,
)
from gateway.stores.codec import Codec, read_recipe, write_recipe

PREFIX = b"ig:"

_VERSION = 1
_HEADER = Struct(">Bc8s16s6QI")
_SUM_SIZE = 16
_PLAIN = _HEADER.size + _SUM_SIZE
_STAMP = slice(1, 26)
_DIGEST = 32
_LONG = Struct(">Q")
_LENGTH = Struct(">I")
_FLAG = Struct(">B")
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


@dataclass(frozen=True, slots=True)
class _Times:
    """Instants as they are stored."""

    turns: int
    expires: int
    forgets: int
    created: int
    sent: int
    since: int


@dataclass(frozen=True, slots=True)
class _Parts:
    """A record's text, taken apart and found undamaged."""

    id: RecordId
    state: State
    fence: int
    owner: bytes
    times: _Times
    identity: bytes
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


def write_identity(identity: Identity) -> bytes:
    """Recipe, scope and fingerprint."""
    return write_recipe(identity.recipe).encode() + identity.scope + identity.fingerprint


def read_identity(text: bytes) -> Identity:
    """What ``write_identity`` wrote."""
    recipe, digests = text[: -2 * _DIGEST], text[-2 * _DIGEST :]
    return Identity(read_recipe(recipe.decode()), digests[:_DIGEST], digests[_DIGEST:])


def write_promise(claim: Claim) -> bytes:
    """What an in-flight record says of its answer's retention."""
    return _LONG.pack(milliseconds(claim.retention.response))


def write_answer(codec: Codec, record_id: RecordId, fence: int, answer: StoredResponse | NotKept) -> bytes:
    """Whether it was kept, its head's length, head and body, sealed to its record and fence."""
    encoded = codec.encode(record_id, fence, answer)
    kept = _FLAG.pack(encoded.body is not None)
    return kept + _LENGTH.pack(len(encoded.head)) + encoded.head + (encoded.body or b"")


def read_answer(codec: Codec, record_id: RecordId, fence: int, text: bytes) -> StoredResponse | NotKept:
    """What ``write_answer`` wrote for this record and fence."""
    start = _FLAG.size + _LENGTH.size
    (kept,), (size,) = _FLAG.unpack_from(text), _LENGTH.unpack_from(text, _FLAG.size)
    head, body = text[start : start + size], text[start + size :]
    if kept > 1 or (not kept and body):
        raise ValueError("a body that was not kept")
    return codec.decode(record_id, fence, head, body if kept else None)


def read(record_id: RecordId, text: bytes, now: datetime, codec: Codec) -> Record:
    """The record as it was written; ``RecordUnreadable`` where it is none."""
    if text[:1] > bytes([_VERSION]):
        raise RecordUnreadable(f"record {str(record_id)[:12]} is of a newer version, or damaged")
    try:
        parts = _parts(record_id, text)
        match parts.state:
            case State.IN_FLIGHT | State.IN_FLIGHT_TAKEN_OVER:
                return _in_flight(parts)
            case State.UNKNOWN | State.UNKNOWN_TAKEN_OVER:
                return _unknown(parts)
            case State.COMPLETED:
                return _completed(parts, now, codec)
            case State.RELEASED:
                return Released(record_id, parts.fence, parts.owner, instant(parts.times.turns))
            case State.EXPIRED:
                return Expired(record_id, parts.fence, _identity(parts), instant(parts.times.turns))
    except (ValueError, OverflowError, error) as fault:
        raise RecordUnreadable(f"record {str(record_id)[:12]} is damaged") from fault


def _parts(record_id: RecordId, text: bytes) -> _Parts:
    version, letter, fence, owner, *instants, size = _HEADER.unpack_from(text)
    state = State(letter.decode("ascii"))
    covered = text[_PLAIN : _PLAIN + size if state is State.COMPLETED else None]
    times = _Times(*instants)
    parts = _Parts(record_id, state, int.from_bytes(fence, "big"), owner, times, covered[:size], text[_PLAIN + size :])
    if version != _VERSION or text[_HEADER.size : _PLAIN] != _sum(record_id, text[: _HEADER.size], covered):
        raise ValueError("what the record says is not what was written")
    return parts


def _sum(record_id: RecordId, header: bytes, covered: bytes) -> bytes:
    """Against damage, not against forgery: whoever may write here may as well delete."""
    whole = key_of(record_id) + header + covered
    return hashlib.sha1(whole, usedforsecurity=False).hexdigest()[:_SUM_SIZE].encode()


def _identity(parts: _Parts) -> Identity:
    return read_identity(parts.identity)


def _in_flight(parts: _Parts) -> InFlight:
    return InFlight(
        id=parts.id,
        fence=parts.fence,
        owner=parts.owner,
        identity=_identity(parts),
        retention=Retention(
            response=_LONG.unpack(parts.rest)[0] * _MILLISECOND,
            key=(parts.times.forgets - parts.times.expires) * _MILLISECOND,
            unknown=(parts.times.expires - parts.times.turns) * _MILLISECOND,
        ),
        created_at=instant(parts.times.created),
        first_sent_at=instant(parts.times.sent),
        lease_until=instant(parts.times.turns),
        taken_over=parts.state is State.IN_FLIGHT_TAKEN_OVER,
    )


def _unknown(parts: _Parts) -> Unknown:
    return Unknown(
        id=parts.id,
        fence=parts.fence,
        owner=parts.owner,
        identity=_identity(parts),
        created_at=instant(parts.times.created),
        first_sent_at=instant(parts.times.sent),
        since=instant(parts.times.since),
        reason=parts.rest.decode(),
        expire_at=instant(parts.times.turns),
        forget_at=instant(parts.times.forgets),
        taken_over=parts.state is State.UNKNOWN_TAKEN_OVER,
    )


def _completed(parts: _Parts, now: datetime, codec: Codec) -> Completed | Expired:
    if instant(parts.times.turns) <= now:
        # Its answer is told to nobody any more, and a sweep may drop it at any time: it is not opened.
        return Expired(parts.id, parts.fence, _identity(parts), instant(parts.times.forgets))
    return Completed(
        id=parts.id,
        fence=parts.fence,
        owner=parts.owner,
        identity=_identity(parts),
        created_at=instant(parts.times.created),
        answer=read_answer(codec, parts.id, parts.fence, parts.rest),
        replay_until=instant(parts.times.turns),
        forget_at=instant(parts.times.forgets),
    )
