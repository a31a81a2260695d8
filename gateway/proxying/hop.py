"""The hop to the upstream: ``ports.Upstream`` (laws U1 to U5), one request written at most once.

Knows the point of no return, the line in ``send`` that hands the first byte to a socket: before it every fault is
``NotSent``, after it every fault is ``OutcomeUnknown``, and nothing below it tries twice. Refuses to know what a call
means, redirects, proxies of the environment, and how long an answer may take: that is the runner's, which cancels.
"""

from collections.abc import Callable

from gateway.policies.routing import Target
from gateway.ports import Outgoing
from gateway.proxying.answer import HopAnswer
from gateway.proxying.bodies import compose, write_rest
from gateway.proxying.pool import Pool
from gateway.proxying.pools import PoolsOfRoutes, too_late
from gateway.proxying.reading import Reading


class Hop(PoolsOfRoutes[Pool]):
    """HTTP/1.1 to each route's upstream."""

    def make(self, target: Target) -> Pool:
        """``PoolsOfRoutes``: of a route."""
        return Pool(target, self.clock, self.spares)

    async def send(
        self,
        target: Target,
        request: Outgoing,
        *,
        dispatch_by: float | None = None,
        on_dispatch: Callable[[], None] | None = None,
    ) -> HopAnswer[Reading]:
        """Writes ``request`` and returns its answer when the head is there. Cancelled, it closes the connection."""
        pool = self.pools.get(id(target)) or self.open_late(target)
        message = compose(request, pool.address)
        connection = pool.take() or await pool.obtain()
        if dispatch_by is not None and self.clock.monotonic() >= dispatch_by:
            pool.recycle(connection)
            raise too_late()
        answer = HopAnswer(connection, Reading(request.method), pool.idle_time)
        if on_dispatch is not None:
            on_dispatch()
        connection.start(answer, message.first)
        if message.rest is not None:
            connection.follow(write_rest(connection, message))
        await answer.begin()
        return answer
