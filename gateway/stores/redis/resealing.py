"""Answers and values sealed anew under the first key: a walk over every record, in steps (``registry.Resealing``).

Knows that whatever is there from the beginning of a walk to its end is met on it (``walking``), and that a record's
beginning tells how it is sealed: only what is to be sealed anew is read whole, and one script writes it over just the
bytes that were read. Refuses to know keys and content.
"""

import asyncio
from datetime import datetime

from gateway.errors import RecordUnreadable, StoreUnavailable
from gateway.protocol.model import RecordId
from gateway.registry import Resealed
from gateway.stores.codec import Codec
from gateway.stores.redis import scripts
from gateway.stores.redis.layout import DAMAGE, Parts, State, id_of, instant, key_of, parts_of, stamp_of
from gateway.stores.redis.records import resealed, sealed_in
from gateway.stores.redis.trips import Ask, run
from gateway.stores.redis.walking import FIRST, some_keys
from gateway.stores.sealing import Seal

# As much of a record as tells how it is sealed, if its history is not long.
_FRONT = 4096

# Each round finds that the record was settled, or sealed anew, meanwhile.
_ROUNDS = 8

# Bytes of a server's place in a walk.
_CURSOR = 8


async def step(ask: Ask, codec: Codec, after: bytes | None, limit: int, *, dry: bool) -> Resealed:
    """Laws C1 to C5: one trip for the keys, one for how all of them begin, two for each record that is sealed anew."""
    cursor, keys = await some_keys(ask, _cursor(after), limit)
    seconds, micros = await ask("TIME")
    now = instant(int(seconds) * 1000 + int(micros) // 1000)
    ids = [id_of(key) for key in keys]
    seals = await asyncio.gather(*(_seal(ask, codec, each, now) for each in ids))
    met: list[tuple[RecordId, Seal | None]] = []
    for record_id, seal in zip(ids, seals, strict=True):
        # One after the other, for each may be large.
        anew = seal is Seal.OTHER and not dry
        met.append((record_id, await _resealed(ask, codec, record_id) if anew else seal))
    counted = [seal for _, seal in met]
    return Resealed(
        ids=tuple(record_id for record_id, seal in met if seal is not None),
        looked_at=len(ids),
        resealed=counted.count(Seal.OTHER),
        already=counted.count(Seal.FIRST),
        unread=tuple(record_id for record_id, seal in met if seal is Seal.STRANGE),
        next=None if cursor == FIRST else int(cursor).to_bytes(_CURSOR, "big"),
    )


def _cursor(place: bytes | None) -> bytes:
    """Any number is one to the server; a made-up one leads somewhere else in the walk."""
    return FIRST if place is None else str(int.from_bytes(place[:_CURSOR], "big")).encode()


async def _seal(ask: Ask, codec: Codec, record_id: RecordId, now: datetime) -> Seal | None:
    """How the record is sealed; ``None`` where it holds nothing that anybody may be told (any more)."""
    key = key_of(record_id)
    try:
        text = await ask("GETRANGE", key, 0, _FRONT - 1)
        try:
            parts = parts_of(record_id, text)
        except RecordUnreadable:
            # A long history, or long values, end behind what was read.
            if (text := await ask("GET", key)) is None:
                return None
            parts = parts_of(record_id, text)
        return _seal_in(codec, parts) if _is_told(parts, now) else None
    except (RecordUnreadable, *DAMAGE):
        return Seal.STRANGE


def _is_told(parts: Parts, now: datetime) -> bool:
    match parts.state:
        case State.COMPLETED:
            return instant(parts.times.turns) > now
        case State.RELEASED | State.EXPIRED:
            return False
        case _:
            return instant(parts.times.expires) > now


def _seal_in(codec: Codec, parts: Parts) -> Seal | None:
    sealed = sealed_in(parts)
    return codec.seal_of(sealed) if sealed else None


async def _resealed(ask: Ask, codec: Codec, record_id: RecordId) -> Seal | None:
    """Laws C2 and C3: ``OTHER`` where it was sealed anew, else how it is."""
    key = key_of(record_id)
    for _ in range(_ROUNDS):
        text: bytes | None = await ask("GET", key)
        if text is None:
            return None
        try:
            parts = parts_of(record_id, text)
            if (seal := _seal_in(codec, parts)) is not Seal.OTHER:
                return seal
            old, new = resealed(codec, parts)
        except (RecordUnreadable, *DAMAGE):
            return Seal.STRANGE
        if await run(ask, scripts.RESEAL, key, stamp_of(text), old, new):
            return Seal.OTHER
    raise StoreUnavailable("a record changed too often to seal it anew")
