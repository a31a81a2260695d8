"""Forgetting: the tombstone written over just the record that was judged.

Refuses to know what may be forgotten: ``protocol.claims.forget`` rules. An operator's word is rare, so it may take the
trip that looks before the one that writes.
"""

from gateway.errors import StoreUnavailable
from gateway.protocol import claims
from gateway.protocol.model import Busy, Expired, Forgotten, Moved, RecordId
from gateway.stores.codec import Codec
from gateway.stores.redis import scripts
from gateway.stores.redis.records import instant, key_of, read, stamp_of
from gateway.stores.redis.trips import Ask, run

# Each round finds that the record was settled, or taken over, meanwhile.
_ROUNDS = 8


async def forget(ask: Ask, codec: Codec, record_id: RecordId, fence: int) -> Forgotten | Moved | Busy:
    """What forgetting came to, its tombstone written by the time that it is heard (law 11)."""
    key = key_of(record_id)
    for _ in range(_ROUNDS):
        now, text = await run(ask, scripts.LOOK, key)
        if text is None:
            return Moved()
        ruling = claims.forget(read(record_id, text, instant(now), codec), fence, instant(now))
        erases = isinstance(ruling.answer, Forgotten) and isinstance(ruling.record, Expired)
        if not erases or await run(ask, scripts.FORGET, key, stamp_of(text)):
            return ruling.answer
    raise StoreUnavailable("the record changed too often to say what it is")
