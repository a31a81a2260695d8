"""A reconciler's work: taken by one script for one worker, noted and let go by another.

Knows that a taking is told by its own random bytes. What was taken and does not open is left for whoever has its key:
it can be taken again when the work would be over.
"""

import secrets
from collections.abc import Collection, Iterator, Sequence
from datetime import timedelta

from gateway.errors import RecordUnreadable
from gateway.protocol.inquiries import Asked, Inquiry
from gateway.protocol.model import RecordId
from gateway.stores.codec import Codec
from gateway.stores.redis import scripts
from gateway.stores.redis.layout import instant, key_of, milliseconds
from gateway.stores.redis.trips import Ask, Reply, run

# Taken by one run of a script: the server does nothing else meanwhile.
_MOST = 100
_EACH = 7


async def due(ask: Ask, codec: Codec, routes: Collection[str], work: timedelta, limit: int) -> Sequence[Inquiry]:
    """Laws Q1 and Q3, in one trip; at most a hundred at once."""
    taken = secrets.token_bytes(16)
    told = await run(ask, scripts.DUE, None, taken, milliseconds(work), min(limit, _MOST), *sorted(routes))
    return list(_inquiries(codec, taken, told))


def _inquiries(codec: Codec, taken: bytes, told: Reply) -> Iterator[Inquiry]:
    now, *words = told
    for at in range(0, len(words), _EACH):
        digest, raw_fence, since, asks, absent, route, sealed = words[at : at + _EACH]
        record_id, fence = RecordId(digest), int.from_bytes(raw_fence, "big")
        try:
            values = codec.open_values(record_id, fence, sealed)
        except RecordUnreadable:
            continue
        age = instant(now) - instant(since)
        yield Inquiry(record_id, fence, taken, route.decode(), values, age, asks, absent)


async def asked(ask: Ask, inquiry: Inquiry, result: Asked) -> bool:
    """Law Q2, in one trip."""
    again = milliseconds(result.again_in)
    noted: int = await run(ask, scripts.ASKED, key_of(inquiry.id), inquiry.taken, result.absent, again)
    return noted == 1
