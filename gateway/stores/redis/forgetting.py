"""Forgetting: the tombstone written over just the record that was judged.

Refuses to know what may be forgotten: ``protocol.claims.forget`` rules. An operator's word is rare, so it may take the
trip that looks before the one that writes.
"""

from gateway.errors import StoreUnavailable
from gateway.protocol import claims
from gateway.protocol.model import Busy, Expired, Forgotten, Moved, RecordId
from gateway.stores.codec import Codec
from gateway.stores.redis import scripts
from gateway.stores.redis.histories import said_by
from gateway.stores.redis.layout import State, instant, key_of, stamp_of, stored_as
from gateway.stores.redis.records import read
from gateway.stores.redis.trips import Ask, run

# Each round finds that the record was settled, or taken over, meanwhile.
_ROUNDS = 8


async def forget(
    ask: Ask, codec: Codec, record_id: RecordId, fence: int, by: str, note: str
) -> Forgotten | Moved | Busy:
    """What forgetting came to, its tombstone written by the time that it is heard (law 11)."""
    key = key_of(record_id)
    for _ in range(_ROUNDS):
        now, text = await run(ask, scripts.LOOK, key)
        if text is None:
            return Moved()
        ruling = claims.forget(read(record_id, text, instant(now), codec), fence, instant(now))
        is_there = isinstance(ruling.answer, Forgotten) and isinstance(ruling.record, Expired)
        # A tombstone that was written before holds nothing to erase.
        if (
            not is_there
            or stored_as(text, State.EXPIRED)
            or await run(ask, scripts.FORGET, key, stamp_of(text), *said_by(by, note))
        ):
            return ruling.answer
    raise StoreUnavailable("the record changed too often to say what it is")
