"""What lets callers in, out of a configuration: keys, rates, and what is kept up to date beside the calls."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from gateway.callers.key_ring import KeyRing
from gateway.config.configuration import Configuration
from gateway.edge.bearers import Bearers
from gateway.edge.entrance import Entrance
from gateway.edge.keys_held import KeysHeld
from gateway.edge.refusals import Refusals
from gateway.policies.callers import Limits
from gateway.policies.tokens import Tokens
from gateway.ports import Clock, Holdings, Observer, Rates
from gateway.protocol.fingerprint import Digester
from gateway.protocol.observations import InternalFault
from gateway.proxying.client import HttpInquirer

if TYPE_CHECKING:
    from gateway.callers.token_keys import TokenKeys

# Seconds before work that ended by a fault is begun again.
_AGAIN = 1.0


class Letting:
    """What one process asks before a call, and its work in the background; nothing where nothing is configured."""

    def __init__(
        self,
        configuration: Configuration,
        digester: Digester,
        holdings: Holdings,
        observer: Observer,
        clock: Clock,
    ) -> None:
        entry, limits = configuration.entry, configuration.limits
        self._observer = observer
        self._work: list[asyncio.Task[None]] = []
        self._rates = _rates(limits, observer, clock) if entry is not None or limits.refusals is not None else None
        self._ring: KeyRing | None = None
        self._token_keys: TokenKeys | None = None
        self._inquirer: HttpInquirer | None = None
        self.entrance: Entrance | None = None
        self.refusals: Refusals | None = None
        if entry is not None and self._rates is not None:
            self._ring = KeyRing(entry.keys, observer)
            bearers = None if configuration.tokens is None else self._bearers(configuration.tokens)
            self.entrance = Entrance(
                entry, self._ring, self._rates, digester, observer, KeysHeld(holdings, clock), bearers
            )
        if limits.refusals is not None and self._rates is not None:
            self.refusals = Refusals(limits.refusals, self._rates, clock)

    def _bearers(self, tokens: Tokens) -> Bearers:
        # Imported where they are used, like the rest of what not every gateway needs.
        from gateway.callers.token_keys import TokenKeys, reading  # noqa: PLC0415
        from gateway.callers.tokens import JwtVerifier  # noqa: PLC0415

        self._inquirer = HttpInquirer()
        if tokens.keys.target is not None:
            self._inquirer.open(tokens.keys.target, tokens.keys.place)
        self._token_keys = TokenKeys(tokens, reading(tokens.keys, self._inquirer), self._observer)
        return Bearers(tokens.header, JwtVerifier(tokens, self._token_keys))

    def start(self) -> None:
        """Keys are kept as their files are, or as their issuer publishes them, from now on."""
        kept = [each.keep_reading for each in (self._ring, self._token_keys) if each is not None]
        self._work = [asyncio.create_task(self._kept(work)) for work in kept]

    async def _kept(self, work: Callable[[], Awaitable[None]]) -> None:
        """Whatever happens to it, a key that was taken back stops counting: work that fails is begun again."""
        while True:
            try:
                return await work()
            except Exception as fault:  # noqa: BLE001 - told, and tried again
                self._observer.observe(InternalFault("", fault))
            await asyncio.sleep(_AGAIN)

    async def stop(self) -> None:
        """Ends the work in the background."""
        for task in self._work:
            task.cancel()
        if self._work:
            await asyncio.wait(self._work)
        if self._inquirer is not None:
            await self._inquirer.close()
        if self._rates is not None:
            await self._rates.close()


def _rates(limits: Limits, observer: Observer, clock: Clock) -> Rates:
    # Imported where they are used: whoever counts nothing starts without the library.
    from gateway.stores.rates import OwnRates, SharedRates  # noqa: PLC0415

    if not limits.redis:
        return OwnRates()
    from gateway.stores.redis.rates import RedisRates  # noqa: PLC0415

    return SharedRates(RedisRates(limits.redis), observer, clock)
