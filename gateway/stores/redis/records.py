"""A record as the scripts keep it, read as one of the five states, and the parts of it that Python writes.

Knows what the parts of a record's text mean (``layout``) and how its answer and its identity lie in it. Refuses to know
commands.
"""

from datetime import datetime, timedelta
from struct import Struct

from gateway.protocol.model import (
    BodyForm,
    Claim,
    Completed,
    Expired,
    Holder,
    Identity,
    InFlight,
    NotKept,
    Recipe,
    Record,
    RecordId,
    Released,
    Retention,
    StoredResponse,
    Unknown,
)
from gateway.stores.codec import Codec, Encoded, read_recipe, write_recipe
from gateway.stores.redis.layout import (
    DAMAGE,
    Parts,
    State,
    Work,
    damaged,
    instant,
    milliseconds,
    parts_of,
    values_of,
    work_of,
)

_DIGEST = 32
_LONG = Struct(">Q")
_LENGTH = Struct(">I")
_FLAG = Struct(">B")
_MILLISECOND = timedelta(milliseconds=1)

# The recipe of every route that sets none: nothing is written of it, for there may be millions of it. Whatever the
# defaults become, this one stays what it is as long as the layout's version does.
_COMMON = Recipe(BodyForm.RAW, (), ("content-type",), ("authorization", "x-api-key"), 1)

# In the place of an answer that was not opened; it is nobody's answer.
UNOPENED = NotKept(0)


def write_identity(identity: Identity) -> bytes:
    """Recipe, scope and fingerprint."""
    recipe = b"" if identity.recipe == _COMMON else write_recipe(identity.recipe).encode()
    return recipe + identity.scope + identity.fingerprint


def read_identity(text: bytes) -> Identity:
    """What ``write_identity`` wrote."""
    recipe, digests = text[: -2 * _DIGEST], text[-2 * _DIGEST :]
    return Identity(read_recipe(recipe.decode()) if recipe else _COMMON, digests[:_DIGEST], digests[_DIGEST:])


def write_holder(holder: Holder | None) -> bytes:
    """What the keys of a holder are counted under, and their name; nothing of nobody."""
    return b"" if holder is None else _FLAG.pack(len(holder.digest)) + holder.digest + holder.name.encode()


def name_in(holder: bytes) -> str:
    """The name that ``write_holder`` wrote; empty of nobody."""
    return holder[1 + holder[0] :].decode() if holder else ""


def write_promise(claim: Claim) -> bytes:
    """What an in-flight record says of its answer's retention."""
    return _LONG.pack(milliseconds(claim.retention.response))


def write_answer(codec: Codec, record_id: RecordId, fence: int, answer: StoredResponse | NotKept) -> bytes:
    """Whether it was kept, its head's length, head and body, sealed to its record and fence."""
    return _written(codec.encode(record_id, fence, answer))


def _written(encoded: Encoded) -> bytes:
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
    parts = parts_of(record_id, text)
    try:
        if parts.state is State.COMPLETED and instant(parts.times.turns) <= now:
            # Its answer is told to nobody any more, and a sweep may drop it at any time: it is not opened.
            return Expired(parts.id, parts.fence, read_identity(parts.identity), instant(parts.times.forgets))
        return _record(parts, codec)
    except DAMAGE as fault:
        raise damaged(record_id) from fault


def unopened(parts: Parts) -> Record:
    """The record as it was written, a completed one without its answer; ``RecordUnreadable`` where it is none."""
    try:
        return _record(parts, None)
    except DAMAGE as fault:
        raise damaged(parts.id) from fault


def answer_of(parts: Parts, codec: Codec) -> StoredResponse | NotKept:
    """The answer of a completed record; ``RecordUnreadable``, or one of ``DAMAGE``, where it does not open."""
    return read_answer(codec, parts.id, parts.fence, parts.rest)


def work_in(parts: Parts) -> Work | None:
    """A reconciler's work in the record, if any."""
    return work_of(_work_text(parts))


def _work_text(parts: Parts) -> bytes:
    match parts.state:
        case State.IN_FLIGHT | State.IN_FLIGHT_TAKEN_OVER:
            return parts.rest[_LONG.size :]
        case State.UNKNOWN | State.UNKNOWN_TAKEN_OVER:
            return parts.rest[_FLAG.size + parts.rest[0] :]
        case _:
            return b""


def sealed_in(parts: Parts) -> bytes:
    """What of the record is sealed, as far as its text was read: its answer's head, or its values; empty for none."""
    return answer_head(parts.rest) if parts.state is State.COMPLETED else values_of(_work_text(parts))


def answer_head(text: bytes) -> bytes:
    """The head of an answer that ``write_answer`` wrote."""
    start = _FLAG.size + _LENGTH.size
    (size,) = _LENGTH.unpack_from(text, _FLAG.size)
    return text[start : start + size]


def resealed(codec: Codec, parts: Parts) -> tuple[bytes, bytes]:
    """What of the record was drawn by chance when it was sealed, and what takes the place of its answer or its values:
    the same under the first key. ``RecordUnreadable``, or one of ``DAMAGE``, where it does not open."""
    sealed = sealed_in(parts)
    if parts.state is not State.COMPLETED:
        return sealed, codec.reseal_values(parts.id, parts.fence, sealed)
    start = _FLAG.size + _LENGTH.size
    end = start + len(sealed)
    body = parts.rest[end:] if parts.rest[0] else None
    encoded = codec.reseal(parts.id, parts.fence, sealed, body)
    return parts.rest[:end], _written(encoded)


def _record(parts: Parts, codec: Codec | None) -> Record:
    match parts.state:
        case State.IN_FLIGHT | State.IN_FLIGHT_TAKEN_OVER:
            return _in_flight(parts)
        case State.UNKNOWN | State.UNKNOWN_TAKEN_OVER:
            return _unknown(parts)
        case State.RELEASED:
            return Released(parts.id, parts.fence, parts.owner, instant(parts.times.turns))
        case State.EXPIRED:
            return Expired(parts.id, parts.fence, read_identity(parts.identity), instant(parts.times.turns))
        case State.COMPLETED:
            return _completed(parts, answer_of(parts, codec) if codec else UNOPENED)


def _in_flight(parts: Parts) -> InFlight:
    return InFlight(
        id=parts.id,
        fence=parts.fence,
        owner=parts.owner,
        identity=read_identity(parts.identity),
        retention=Retention(
            response=_LONG.unpack_from(parts.rest)[0] * _MILLISECOND,
            key=(parts.times.forgets - parts.times.expires) * _MILLISECOND,
            unknown=(parts.times.expires - parts.times.turns) * _MILLISECOND,
        ),
        created_at=instant(parts.times.created),
        first_sent_at=instant(parts.times.sent),
        lease_until=instant(parts.times.turns),
        taken_over=parts.state is State.IN_FLIGHT_TAKEN_OVER,
        asks=work_in(parts) is not None,
    )


def _unknown(parts: Parts) -> Unknown:
    work = work_in(parts)
    return Unknown(
        id=parts.id,
        fence=parts.fence,
        owner=parts.owner,
        identity=read_identity(parts.identity),
        created_at=instant(parts.times.created),
        first_sent_at=instant(parts.times.sent),
        since=instant(parts.times.since),
        reason=parts.rest[_FLAG.size : _FLAG.size + parts.rest[0]].decode(),
        expire_at=instant(parts.times.turns),
        forget_at=instant(parts.times.forgets),
        taken_over=parts.state is State.UNKNOWN_TAKEN_OVER,
        asks_at=work.at if work else None,
    )


def _completed(parts: Parts, answer: StoredResponse | NotKept) -> Completed:
    return Completed(
        id=parts.id,
        fence=parts.fence,
        owner=parts.owner,
        identity=read_identity(parts.identity),
        created_at=instant(parts.times.created),
        answer=answer,
        replay_until=instant(parts.times.turns),
        forget_at=instant(parts.times.forgets),
    )
