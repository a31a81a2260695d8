"""Sweeps and counts: what time has made of the records, written down in small steps and summed up.

Knows the sorted sets, one for each state, and how many records one step may turn: the server does nothing else
meanwhile. A sweep changes no verdict; each script looks at the record and the clock again.
"""

from collections.abc import Mapping

from gateway.ports import SweepCounts
from gateway.stores.redis import scripts
from gateway.stores.redis.layout import PREFIX
from gateway.stores.redis.trips import Ask, run

# A tenth of a millisecond each at the most, so that no claim waits for more than a few.
_STEP = 50

# As many as a count may look at one by one.
_LOOKED_AT = 2000

NAMES = ("in-flight", "completed", "unknown", "released", "expired")


async def sweep(ask: Ask, limit: int) -> SweepCounts:
    """At most ``limit`` records a kind, in an order in which a record may go all its way at once."""
    lapsed = await _turned(ask, "in-flight", limit)
    unknown = await _turned(ask, "unknown", limit)
    answers = await _turned(ask, "completed", limit)
    released = await _turned(ask, "released", limit)
    return SweepCounts(lapsed, unknown, answers, released + await _turned(ask, "expired", limit - released))


async def _turned(ask: Ask, name: str, limit: int) -> int:
    turned = 0
    while turned < limit:
        wanted = min(_STEP, limit - turned)
        done, seen = await run(ask, scripts.TURN, PREFIX + name.encode(), wanted)
        turned += done
        if seen < wanted:
            break
    return turned


async def count(ask: Ask) -> Mapping[str, int]:
    """Records by state, turned by time; forgotten ones that no sweep has removed yet count nowhere."""
    numbers: list[int] = await run(ask, scripts.COUNT, None, _LOOKED_AT)
    return dict(zip(NAMES, numbers, strict=True))
