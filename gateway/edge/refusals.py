"""How many refusals a caller may collect: whoever tries one key after the other learns little, and slowly.

A refusal is an answer 409 or 422 of the gateway's own, which tells that a key is known. Counted when it is given, so
that a call which meets none costs nothing more than a look into a small table. Refuses to know what was refused.
"""

from gateway.policies.callers import Rate
from gateway.ports import Clock, Rates

# So many callers are counted at once. Without known callers anybody can be a new one with each call: no bound on one
# of them holds such a caller anyway, and the counting must not be what they wear out.
_MOST = 1000


class Refusals:
    """Who has collected as many as they may, and until when they wait."""

    def __init__(self, rate: Rate, rates: Rates, clock: Clock) -> None:
        self._rate = rate
        self._rates = rates
        self._clock = clock
        self._shut: dict[int, float] = {}
        self._counted: dict[int, float] = {}

    def pause(self, caller: int) -> int | None:
        """Seconds to wait, where this caller has collected as many as they may."""
        until = self._shut.get(caller)
        if until is None:
            return None
        if until <= self._clock.monotonic():
            del self._shut[caller]
            return None
        return self._rate.pause

    async def met(self, caller: int, name: str) -> None:
        """``caller`` got one more; ``name``: what they are counted under."""
        now = self._clock.monotonic()
        if caller not in self._counted and len(self._counted) >= _MOST:
            self._counted = {each: until for each, until in self._counted.items() if until > now}
            self._shut = {each: until for each, until in self._shut.items() if until > now}
            if len(self._counted) >= _MOST:
                return
        self._counted[caller] = now + 2 * self._rate.seconds
        if not await self._rates.admits(self._rate, name):
            self._shut[caller] = self._clock.monotonic() + self._rate.pause
