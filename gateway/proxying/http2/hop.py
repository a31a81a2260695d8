"""The hop over HTTP/2: ``ports.Upstream`` (laws U1 to U5), one request written at most once, on one stream.

Knows the point of no return, the line in ``Traffic.start`` that writes a call's HEADERS: before it every fault
is ``NotSent``, after it every fault is ``OutcomeUnknown``, save what HTTP/2 guarantees not to have been processed
(``REFUSED_STREAM``, ``GOAWAY`` before it), where the route believes it: ``NotProcessed``, which is not sent again here
either. Refuses to know what a call means.

Not httpx2, which speaks HTTP/2 well enough for questions: its pool writes a request a second time, by itself, after a
GOAWAY; a call that is cancelled while it writes takes bytes of the others with it; an answer without a status is a 200.
"""

from collections.abc import Callable

from gateway.policies.routing import Target
from gateway.ports import Outgoing
from gateway.proxying.bodies import measured
from gateway.proxying.http2.fields import write_fields
from gateway.proxying.http2.pool import Http2Pool
from gateway.proxying.http2.stream import Answer, Stream
from gateway.proxying.pools import PoolsOfRoutes, too_late


class Http2Hop(PoolsOfRoutes[Http2Pool]):
    """HTTP/2 to each route's upstream."""

    def make(self, target: Target) -> Http2Pool:
        """``PoolsOfRoutes``: of a route."""
        return Http2Pool(target, self.clock, self.spares)

    async def send(
        self,
        target: Target,
        request: Outgoing,
        *,
        dispatch_by: float | None = None,
        on_dispatch: Callable[[], None] | None = None,
    ) -> Answer:
        """Writes ``request`` and returns its answer when the head is there. Cancelled, it ends its stream."""
        pool = self.pools.get(id(target)) or self.open_late(target)
        body, length = (b"", None) if request.body is None else measured(request.body, request.length)
        fields = write_fields(request, pool.scheme, pool.authority, length)
        connection = pool.take() or await pool.obtain()
        if dispatch_by is not None and self.clock.monotonic() >= dispatch_by:
            connection.release()
            raise too_late()
        believes = target.believe_refusals
        stream = Stream(connection.traffic, request.method, pool.idle_time, believes=believes)
        connection.start(stream, fields, body if isinstance(body, bytes) else None, on_dispatch)
        if not isinstance(body, bytes):
            stream.follow(body, length)
        await stream.answer.begin()
        return stream.answer
