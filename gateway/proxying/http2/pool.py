"""The HTTP/2 connections of one route: which has room for one more call, how many there may be, who waits.

Knows ages and places. Refuses to know frames. A call takes the oldest connection that has room, so that the others
grow idle and are retired; one is opened at a time, so that a burst of calls does not open one each. None is shared with
another route.
"""

import asyncio
from collections import deque

from gateway.errors import NotSent
from gateway.policies.routing import Target
from gateway.ports import Clock
from gateway.proxying.connecting import connect
from gateway.proxying.http2.connection import PROTOCOL, Http2Connection
from gateway.proxying.spares import Spares
from gateway.proxying.tls import Contexts, contexts


class Http2Pool:
    """At most ``target.max_connections`` connections. ``target`` is kept alive by its pool.

    Raises ``ConfigInvalid`` where the target's TLS files cannot be used.
    """

    def __init__(self, target: Target, clock: Clock, spares: Spares) -> None:
        self.target = target
        self.scheme = target.scheme.encode("ascii")
        self.authority = target.authority.encode("ascii")
        self.idle_time = target.timeouts.idle.total_seconds()
        self._clock = clock
        self._spares = spares
        self._connect_time = target.timeouts.connect.total_seconds()
        self._keep_alive = target.keep_alive.total_seconds()
        self._contexts: Contexts = contexts(target, PROTOCOL)
        self._connections: list[Http2Connection] = []
        self._opening: asyncio.Task[None] | None = None
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def take(self) -> Http2Connection | None:
        """A connection with a place for one more call, which is kept: the call is written, or the place released."""
        for connection in self._connections:
            if connection.usable() and (connection.carries or self._young(connection)):
                connection.promise()
                # Where none is kept alive, each carries one call and ends with it.
                connection.closing = self._keep_alive <= 0
                return connection
        return None

    async def obtain(self) -> Http2Connection:
        """A place for a call, on a connection that is opened for it if need be.

        Raises ``NotSent``: ``pool-full``, ``draining``, ``http2``, or what connecting says.
        """
        try:
            async with asyncio.timeout(self._connect_time):
                while not self._closed:
                    if (connection := self.take()) is not None:
                        self._tell_one()  # There may be room for more than one.
                        return connection
                    if any(each.unheard() for each in self._connections):
                        # Such as the answer to our SETTINGS; the loop's next turn reads it, and then we know.
                        await asyncio.sleep(0)
                        continue
                    if self._opening is None and len(self._connections) < self.target.max_connections:
                        self._opening = asyncio.create_task(self._open())
                    await self._news()
        except TimeoutError:
            raise self._overdue() from None
        raise NotSent("draining", "Nothing was sent: the gateway is shutting down; try another one.")

    def freed(self, connection: Http2Connection) -> None:
        """``Keeper``: there is room on it, or it carries nothing any more."""
        if self._closed:
            connection.retire()
            return
        if not connection.carries:
            connection.idle_since = self._clock.monotonic()
            if self._timer is None:
                self._timer = connection.loop.call_later(self._keep_alive, self._retire)
        self._tell_one()

    def forget(self, connection: Http2Connection) -> None:
        """``Keeper``: its place is free."""
        if connection in self._connections:
            self._connections.remove(connection)
            self._tell_one()

    def close(self) -> None:
        """Ends what is idle; a connection in use ends with its last call."""
        self._closed = True
        for pending in (self._timer, self._opening):
            if pending is not None:
                pending.cancel()
        for connection in list(self._connections):
            connection.retire()
        self._tell_all(None)

    async def _open(self) -> None:
        """Opens one connection; whoever waits hears of it, or why it did not come about."""
        connection = Http2Connection(self, self.target.origin)
        fault: NotSent | None = None
        try:
            async with asyncio.timeout(self._connect_time):
                await connect(self.target, self._contexts, connection, self._spares)
                await connection.opened
            self._connections.append(connection)
            connection.idle_since = self._clock.monotonic()
        except NotSent as refused:
            fault = refused
        except TimeoutError:
            fault = self._overdue()
        finally:
            self._opening = None
            if connection not in self._connections:
                connection.drop()
            self._tell_all(fault)

    async def _news(self) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            await waiter
        except BaseException:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
            elif not waiter.cancelled() and waiter.exception() is None:
                self._tell_one()  # What was told to a call that is given up is for the next one.
            raise

    def _tell_one(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def _tell_all(self, fault: NotSent | None) -> None:
        """``fault``: for everybody who waited for a connection that did not come about."""
        waiting, self._waiting = self._waiting, deque()
        for waiter in waiting:
            if waiter.done():
                continue
            if fault is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(NotSent(fault.reason, str(fault)))

    def _overdue(self) -> NotSent:
        if self._opening is not None or not self._connections:
            return NotSent(
                "connect-timeout",
                f"Nothing was sent: {self.target.origin} did not open an HTTP/2 connection within"
                f" {self._connect_time:g} s; try again.",
            )
        return NotSent(
            "pool-full",
            f"Nothing was sent: all {self.target.max_connections} connections to {self.target.origin} carried as many"
            " calls as they may; try again, or raise max_connections.",
        )

    def _young(self, connection: Http2Connection) -> bool:
        return self._keep_alive <= 0 or self._clock.monotonic() - connection.idle_since < self._keep_alive

    def _retire(self) -> None:
        self._timer = None
        idle = [connection for connection in self._connections if not connection.carries]
        for connection in idle:
            if not self._young(connection):
                connection.retire()
        left = [connection for connection in idle if connection in self._connections]
        if left and self._keep_alive > 0:
            first = min(connection.idle_since for connection in left)
            rest = max(first + self._keep_alive - self._clock.monotonic(), 0.001)
            self._timer = left[0].loop.call_later(rest, self._retire)
