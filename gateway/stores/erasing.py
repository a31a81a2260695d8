"""Erasures on their way: what an authority noted is brought to its front, once for each incarnation of it.

Knows how long an erasure is remembered, and when a front may be believed: not before every erasure that was noted has
been brought to the very server that answers now, for it may have been restored from a dump with an answer in it that
was forgotten since. Refuses to know how a front is reached, and when to try: who owns this says so.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from gateway.errors import StoreUnavailable
from gateway.ports import Authority, Erasure, Front
from gateway.protocol.model import RecordId

# A copy ends by its front's clock, which may be late. No server's clock is a day late for long and unnoticed.
LATEST_CLOCK = timedelta(days=1)

# Erasures in one pipeline.
BATCH = 100


def end_of_copies(replay_until: datetime) -> datetime:
    """When every copy of an answer has ended by itself."""
    return replay_until + LATEST_CLOCK


class Erasing:
    """An authority's erasures and its front; ``reach`` performs a trip to the front, and tells whether it arrived."""

    def __init__(
        self, authority: Authority, front: Front, reach: Callable[[Callable[[], Awaitable[None]]], Awaitable[bool]]
    ) -> None:
        self._authority = authority
        self._front = front
        self._reach = reach
        self._clean: str | None = None
        # How many did not arrive: one that fails while all are being brought may not be among those.
        self._failed = 0
        self._running = False

    @property
    def is_due(self) -> bool:
        """Whether the front that answered last may hold what was forgotten, for all that is known here."""
        return self._clean is None or self._clean != self._front.incarnation

    async def bring(self, record_id: RecordId) -> bool:
        """Whether no copy of a forgotten record is left."""
        erasure = await self._authority.erasure(record_id)
        if erasure is None or await self._brought([erasure]):
            return True
        # From here on the front is not believed until it has heard of this one.
        self._failed, self._clean = self._failed + 1, None
        return erasure.erased_in is not None

    async def bring_all(self) -> None:
        """Every erasure that this incarnation of the front has not heard of; after a fault they are due again."""
        if self._running:
            return
        self._running = True
        try:
            await self._bring_all()
        except StoreUnavailable:
            return
        finally:
            self._running = False

    async def _bring_all(self) -> None:
        incarnation, failed = self._front.incarnation, self._failed
        if incarnation is None:
            return
        last: Erasure | None = None
        while batch := await self._authority.erasures(incarnation, last, BATCH):
            if await self._brought(batch) != incarnation:
                return
            last = batch[-1]
        if failed == self._failed:
            self._clean = incarnation

    async def _brought(self, erasures: Sequence[Erasure]) -> str | None:
        """The incarnation that has done them all, once that is noted; ``None`` where the front was not reached."""

        async def erase() -> None:
            await asyncio.gather(*(self._front.erase(each.id, each.until) for each in erasures))

        while True:
            incarnation = self._front.incarnation
            if not await self._reach(erase):
                return None
            # Another one may have been met on the way; then it is not certain which of them did it.
            if incarnation is not None and incarnation == self._front.incarnation:
                await self._authority.note_erased(erasures, incarnation)
                return incarnation
