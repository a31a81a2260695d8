"""Whether a caller with a quota of stored keys may hold one more: as many as the authority counts, and what came since.

Counting is the authority's, so that gateways and restarts make no difference; between two counts a process adds what
it was granted itself. It counts again after a second, and as soon as it has used up an eighth of what was left: near
the quota at every call. So a caller may hold too many by what other processes have let through since they counted,
which is that eighth, and the calls that are between count and claim just then.

Refuses to know what a key means, and decides nothing on a known one: whoever is at their quota is still answered.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from gateway.errors import RecordUnreadable, StoreUnavailable
from gateway.ports import Clock, Holdings, Outgoing
from gateway.protocol.model import Claim, RecordId
from gateway.runner.exchanges import Errand

# A count is taken again after so many seconds, or after a hundred times as long as it took; where nothing is left, to
# see what came of calls under way, after ten times as long: so that counting stays a small part of a store's time.
FRESH = 1.0
_TIMES, _TIMES_AT_LEAST = 100, 10

# The part of what is left that is used up between two counts: one in so many.
_PART = 8

# What was granted while a count was taken may stand in it or not; it counts twice until the next one. So nobody hears
# that there is no room before another was taken.
_COUNTS = 2

# Callers whose counts are remembered; tokens name any number of them.
_MOST = 1000


@dataclass(slots=True)
class _Tally:
    """What is known of one caller: ``held`` by the last count, ``granted`` since it began, ``claiming`` just now."""

    held: int = 0
    granted: int = 0
    claiming: int = 0
    soonest: float = float("-inf")
    until: float = float("-inf")
    counting: asyncio.Task[None] | None = None

    def is_old(self, most: int, now: float) -> bool:
        used_up = self.granted + self.claiming >= max(1, (most - self.held) // _PART)
        return now >= self.until or (used_up and (self.has_room(most) or now >= self.soonest))

    def has_room(self, most: int) -> bool:
        return self.held + self.granted + self.claiming < most


class Admitted:
    """A call that may claim. Its key counts from now on, by the authority's count once it is granted."""

    __slots__ = ("_tally",)

    def __init__(self, tally: _Tally | None) -> None:
        self._tally = tally
        if tally is not None:
            tally.claiming += 1

    def noting(self, errand: Errand) -> Errand:
        """The same errand, whose grant is noted."""
        return replace(errand, request=self._noting(errand.request))

    def _noting(self, request: Callable[[RecordId], Outgoing]) -> Callable[[RecordId], Outgoing]:
        def requested(granted: RecordId) -> Outgoing:
            self.granted()
            return request(granted)

        return requested

    def granted(self) -> None:
        """Its claim is granted."""
        self._claimed(granted=1)

    def over(self) -> None:
        """The call is answered, and claims no more."""
        self._claimed(granted=0)

    def _claimed(self, granted: int) -> None:
        tally, self._tally = self._tally, None
        if tally is not None:
            tally.claiming -= 1
            tally.granted += granted


class KeysHeld:
    """The quotas of one process."""

    def __init__(self, holdings: Holdings, clock: Clock) -> None:
        self._holdings = holdings
        self._clock = clock
        self._tallies: dict[bytes, _Tally] = {}

    async def admit(self, claim: Claim, most: int) -> Admitted | None:
        """Whether ``claim``, which has a holder, may be made; ``None``: its key is new, and one too many.

        Where the store does not answer it may: that is for the claim itself to meet.
        """
        tally = self._tally(_digests(claim)[0])
        for _ in range(_COUNTS):
            if tally.counting is not None or tally.is_old(most, self._clock.monotonic()):
                await self._counted(tally, claim)
            if tally.has_room(most):
                return Admitted(tally)
        return Admitted(None) if await self._is_known(claim) else None

    def _tally(self, digest: bytes) -> _Tally:
        if digest not in self._tallies and len(self._tallies) >= _MOST:
            now = self._clock.monotonic()
            busy = {name: each for name, each in self._tallies.items() if each.claiming or each.until > now}
            self._tallies = busy
        return self._tallies.setdefault(digest, _Tally())

    async def _counted(self, tally: _Tally, claim: Claim) -> None:
        """Returns after a count; one is taken for all who wait, whoever of them leaves."""
        if tally.counting is None:
            tally.counting = asyncio.create_task(self._count(tally, claim))
        await asyncio.shield(tally.counting)

    async def _count(self, tally: _Tally, claim: Claim) -> None:
        begun = self._clock.monotonic()
        granted, tally.granted = tally.granted, 0
        try:
            tally.held = await self._holdings.held(_digests(claim))
        except StoreUnavailable:
            tally.granted += granted
        finally:
            now = self._clock.monotonic()
            tally.soonest = now + _TIMES_AT_LEAST * (now - begun)
            tally.until = now + max(FRESH, _TIMES * (now - begun))
            tally.counting = None

    async def _is_known(self, claim: Claim) -> bool:
        try:
            for record_id in claim.ids:
                if await self._holdings.look(record_id) is not None:
                    return True
        except (StoreUnavailable, RecordUnreadable):
            return True
        return False


def _digests(claim: Claim) -> list[bytes]:
    """What the keys of its caller are counted under, by each digest key that is listed."""
    return [each.holder.digest for each in (claim, *claim.others) if each.holder is not None]
