"""Removes what retention allows, in small batches, for as long as the gateway runs."""

import asyncio

from gateway.errors import StoreUnavailable
from gateway.ports import Observer, Store, SweepCounts
from gateway.protocol import observations as seen

# Small enough that a batch never keeps a claim waiting long; often enough that tables stay flat.
BATCH = 500
EVERY = 60.0


async def sweep_once(store: Store) -> SweepCounts:
    """Batches until nothing is left to do; the sum of what they did."""
    lapsed = unknown = answers = forgotten = 0
    while True:
        counts = await store.sweep(BATCH)
        lapsed += counts.lapsed
        unknown += counts.unknown_expired
        answers += counts.answers_expired
        forgotten += counts.forgotten
        if counts.total == 0:
            return SweepCounts(lapsed, unknown, answers, forgotten)


async def keep_sweeping(store: Store, observer: Observer) -> None:
    """Sweeps until cancelled; a store that does not answer is tried again at the next turn."""
    while True:
        begun = asyncio.get_running_loop().time()
        try:
            counts = await sweep_once(store)
        except StoreUnavailable as fault:
            observer.observe(seen.StoreFault("sweep", str(fault)))
        else:
            seconds = asyncio.get_running_loop().time() - begun
            did = (counts.lapsed, counts.unknown_expired, counts.answers_expired, counts.forgotten)
            observer.observe(seen.Swept(*did, seconds))
        await asyncio.sleep(EVERY)
