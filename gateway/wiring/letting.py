"""What lets callers in, out of a configuration: keys, rates, and what is kept up to date beside the calls."""

from functools import partial
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
from gateway.proxying.client import HttpInquirer
from gateway.rereading import Rereading, Source
from gateway.wiring.keeping import Keeping
from gateway.wiring.renewing import files_of, of_tls

if TYPE_CHECKING:
    from gateway.callers.token_keys import TokenKeys


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
        self._keeping = Keeping(observer)
        self._sources: list[Source] = []
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
        if (target := tokens.keys.target) is not None:
            again = partial(self._inquirer.read_again, target, tokens.keys.place)
            self._sources += of_tls("jwt.ca", files_of(target.tls), again)
            self._inquirer.open(target, tokens.keys.place)
        self._token_keys = TokenKeys(tokens, reading(tokens.keys, self._inquirer), self._observer)
        return Bearers(tokens.header, JwtVerifier(tokens, self._token_keys))

    def start(self) -> None:
        """Keys are kept as their files are, or as their issuer publishes them, from now on."""
        rereading = Rereading(self._sources, self._observer)
        self._keeping.start(
            *(each.keep_reading for each in (self._ring, self._token_keys, rereading) if each is not None)
        )

    async def stop(self) -> None:
        """Ends the work in the background."""
        await self._keeping.stop()
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
