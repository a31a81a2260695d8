"""The hop to the upstream: ``ports.Upstream`` (laws U1 to U5), one request written at most once.

Knows the point of no return, the line in ``send`` that hands the first byte to a socket: before it every fault is
``NotSent``, after it every fault is ``OutcomeUnknown``, and nothing below it tries twice. Refuses to know what a call
means, redirects, proxies of the environment, and how long an answer may take: that is the runner's, which cancels.
"""

import time
from collections.abc import Callable

from gateway.errors import ConfigInvalid, NotSent
from gateway.policies.routing import Target
from gateway.ports import Clock, Outgoing
from gateway.proxying.answer import HopAnswer
from gateway.proxying.bodies import compose, write_rest
from gateway.proxying.pool import Pool
from gateway.proxying.spares import Spares


class Hop:
    """A pool for each route's ``Target``, found by the object and not by its value.

    Two routes may have equal targets and must not share connections (design, section 4), so callers pass a route's own
    target, never a copy. The pool keeps its target alive, so the identity is not given to another one.
    """

    def __init__(self, clock: Clock = time) -> None:
        self._clock = clock
        self._pools: dict[int, Pool] = {}
        self._spares = Spares()

    def open(self, target: Target) -> Pool:
        """Makes a route ready, its TLS files read; ``ConfigInvalid`` where they cannot be used. For the start."""
        pool = self._pools.get(id(target))
        if pool is None:
            pool = self._pools[id(target)] = Pool(target, self._clock, self._spares)
        return pool

    async def send(
        self,
        target: Target,
        request: Outgoing,
        *,
        dispatch_by: float | None = None,
        on_dispatch: Callable[[], None] | None = None,
    ) -> HopAnswer:
        """Writes ``request`` and returns its answer when the head is there. Cancelled, it closes the connection."""
        pool = self._pools.get(id(target)) or self._open_late(target)
        message = compose(request, pool.address)
        connection = pool.take() or await pool.obtain()
        if dispatch_by is not None and self._clock.monotonic() >= dispatch_by:
            pool.recycle(connection)
            raise NotSent("dispatch-deadline", "Nothing was sent: the time to send it had passed; try again.")
        answer = HopAnswer(connection, request.method, pool.idle_time)
        if on_dispatch is not None:
            on_dispatch()
        connection.start(answer, message.first)
        if message.rest is not None:
            connection.follow(write_rest(connection, message))
        await answer.begin()
        return answer

    async def close(self) -> None:
        """Closes idle connections; those in use end with their calls."""
        for pool in self._pools.values():
            pool.close()
        self._spares.close()

    def _open_late(self, target: Target) -> Pool:
        try:
            return self.open(target)
        except ConfigInvalid as fault:
            raise NotSent("tls", f"Nothing was sent: {fault}") from fault
