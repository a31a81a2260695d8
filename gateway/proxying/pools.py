"""The pools of all routes, for whichever protocol: made at the start, found in a call, closed at the end.

Refuses to know what a pool holds.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Generic, Protocol, TypeVar

from gateway.errors import ConfigInvalid, NotSent
from gateway.policies.routing import Target
from gateway.ports import Clock
from gateway.proxying.spares import Spares
from gateway.proxying.tls import Contexts


class Connecting(Protocol):
    """A pool as far as it is known here."""

    def read_tls(self) -> Contexts:
        """TLS by its files as they are now; ``ConfigInvalid`` where they cannot be used."""
        ...

    def exchange(self, made: Contexts) -> None:
        """New connections begin with these."""
        ...

    def close(self) -> None:
        """Ends what is idle; what is in use ends with its calls."""
        ...


AnyPool = TypeVar("AnyPool", bound=Connecting)


class PoolsOfRoutes(Generic[AnyPool]):
    """A pool for each route's ``Target``, found by the object and not by its value.

    Two routes may have equal targets and must not share connections (design, section 4), so callers pass a route's own
    target, never a copy. The pool keeps its target alive, so the identity is not given to another one. ``pools``: by
    that identity, for a call to look at without another call.
    """

    def __init__(self, clock: Clock = time) -> None:
        self.clock = clock
        self.spares = Spares()
        self.pools: dict[int, AnyPool] = {}

    def make(self, target: Target) -> AnyPool:
        """A new pool; ``ConfigInvalid`` where the target's files cannot be used."""
        raise NotImplementedError

    def open(self, target: Target) -> AnyPool:
        """Makes a route ready, its TLS files read; ``ConfigInvalid`` where they cannot be used. For the start."""
        pool = self.pools.get(id(target))
        if pool is None:
            pool = self.pools[id(target)] = self.make(target)
        return pool

    def open_late(self, target: Target) -> AnyPool:
        """A pool that is made in a call; ``NotSent`` where it cannot be made."""
        try:
            return self.open(target)
        except ConfigInvalid as fault:
            raise NotSent("tls", f"Nothing was sent: {fault}") from fault

    def read_again(self, target: Target) -> Callable[[], None]:
        """What has a route that is open go by its TLS files as they are now; ``ConfigInvalid`` as for ``open``."""
        pool = self.pools[id(target)]
        return partial(pool.exchange, pool.read_tls())

    async def close(self) -> None:
        """Closes idle connections; those in use end with their calls."""
        for pool in self.pools.values():
            pool.close()
        self.spares.close()


def too_late() -> NotSent:
    """A call whose time to be sent had passed before its first byte (law U3)."""
    return NotSent("dispatch-deadline", "Nothing was sent: the time to send it had passed; try again.")
