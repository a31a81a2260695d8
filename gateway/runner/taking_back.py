"""Claims that may have been granted to a caller who was told that nothing was sent: taken back when the store can tell.

Left alone, such a key would be in flight until its lease is over and unknown from then on, though nobody ever sent it.
Knows that a claim repeated by its owner is the same claim (ports, S1), and that no exchange uses that owner again.
Refuses to send. What is not taken back by the end of the process becomes unknown by its lease.
"""

import asyncio

from gateway.errors import RecordUnreadable, StoreUnavailable
from gateway.ports import Calls, Observer
from gateway.protocol.model import Claim, Granted, Release
from gateway.protocol.observations import GrantTakenBack

# Seconds between attempts; a store that could not tell needs a moment at least.
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0

# So many at a time. A store that is silent under load leaves more, which are left to their leases.
MOST = 1024


class TakingBack:
    """Each in a task of its own, in the background."""

    def __init__(self, store: Calls, observer: Observer) -> None:
        self._store = store
        self._observer = observer
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, claim: Claim, route: str) -> None:
        """Asks again until the store has ruled on the claim; a grant is released."""
        if len(self._tasks) < MOST:
            task = asyncio.get_running_loop().create_task(self._take_back(claim, route))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def end(self, seconds: float) -> None:
        """Waits for what is under way, at most so long."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        for task in self._tasks:
            task.cancel()

    async def _take_back(self, claim: Claim, route: str) -> None:
        pause = FIRST_PAUSE
        while True:
            await asyncio.sleep(pause)
            try:
                # It may be on its way still, in a server that stands still: claimed here, it finds itself too late.
                verdict = await self._store.claim(claim)
                if isinstance(verdict, Granted):
                    await self._store.settle(verdict.grant, Release())
                    self._observer.observe(GrantTakenBack(route, claim.id.digest[:6].hex()))
                return
            except StoreUnavailable:
                pause = min(2 * pause, LONGEST_PAUSE)
            except RecordUnreadable:
                return
