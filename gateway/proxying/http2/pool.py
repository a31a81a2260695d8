"""The HTTP/2 connections of one route: which has room for one more call, how many there may be, who waits.

Knows ages and places. Refuses to know frames. A call takes the oldest connection that has room, so that the others
grow idle and are retired; no more are opened at a time than those who wait may fill. One that carries calls and has
been silent for ``keep_alive`` gets no more: the upstream may be gone, and would take them all with it. None is shared
with another route.
"""

import asyncio
from typing import cast

from gateway.errors import NotSent
from gateway.policies.routing import Target
from gateway.ports import Clock
from gateway.proxying.connecting import connect
from gateway.proxying.http2.connection import Http2Connection
from gateway.proxying.http2.opening import PROTOCOL
from gateway.proxying.http2.places import MOST_CALLS
from gateway.proxying.http2.waiting import Waiting
from gateway.proxying.spares import Spares
from gateway.proxying.tls import Contexts, contexts

# Turns of the loop in which it reads what lies in a socket.
_TURNS = 3


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
        self._opening: set[asyncio.Task[None]] = set()
        self._waiting = Waiting()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._calls_each = self._most_each = MOST_CALLS if self._keep_alive > 0 else 1

    def take(self, *, busy_unheard: bool = False) -> Http2Connection | None:
        """A connection with a place for one more call, which is kept: the call is written, or the place released."""
        for connection in self._connections:
            if self._fresh(connection) and connection.usable(busy_unheard=busy_unheard):
                connection.places.promise()
                # Where none is kept alive, each carries one call and ends with it.
                connection.places.closing = self._keep_alive <= 0
                return connection
        return None

    async def obtain(self) -> Http2Connection:
        """A place for a call, on a connection that is opened for it if need be.

        Raises ``NotSent``: ``pool-full``, ``draining``, ``http-version``, or what connecting says.
        """
        turns = _TURNS
        try:
            async with asyncio.timeout(self._connect_time):
                while not self._closed:
                    if (connection := self.take(busy_unheard=not turns)) is not None:
                        self._waiting.tell_one()  # There may be room for more than one.
                        return connection
                    if turns and any(each.unheard() for each in self._connections):
                        # Such as the answer to our SETTINGS, or a farewell; the loop reads it, and then we know.
                        turns -= 1
                        await asyncio.sleep(0)
                        continue
                    self._reach_out()
                    await self._waiting.news()
                    turns = _TURNS
        except TimeoutError:
            raise self._overdue() from None
        raise NotSent("draining", "Nothing was sent: the gateway is shutting down; try another one.")

    def freed(self, connection: Http2Connection) -> None:
        """``Keeper``: there is room on it, or it carries nothing any more."""
        if self._closed:
            connection.retire()
            return
        if not connection.places.taken:
            if not self._lately(connection.heard_at):
                connection.retire()  # Its last call was given up, and nobody knows whether the upstream is there.
                return
            connection.idle_since = self._clock.monotonic()
            if self._timer is None:
                self._timer = connection.loop.call_later(self._keep_alive, self._retire)
        self._waiting.tell_one()

    def heard(self, connection: Http2Connection) -> None:
        """``Keeper``: the upstream is there."""
        silent = not self._lately(connection.heard_at)
        connection.heard_at = self._clock.monotonic()
        if silent:
            self._waiting.tell_one()

    def forget(self, connection: Http2Connection) -> None:
        """``Keeper``: its place is free."""
        if connection in self._connections:
            self._connections.remove(connection)
            self._waiting.tell_one()

    def read_tls(self) -> Contexts:
        """TLS by its files as they are now; ``ConfigInvalid`` where they cannot be used."""
        return contexts(self.target, PROTOCOL)

    def exchange(self, made: Contexts) -> None:
        """Connections begin with these from now on; one that stands takes no more calls."""
        self._contexts = made
        for connection in list(self._connections):
            connection.retire()

    def close(self) -> None:
        """Ends what is idle; a connection in use ends with its last call."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for opening in list(self._opening):
            opening.cancel()
        for connection in list(self._connections):
            connection.retire()
        self._waiting.tell_all(None)

    def _reach_out(self) -> None:
        """Opens what those who wait may fill; where there may be no more, asks those that are silent whether they are
        there."""
        places = self.target.max_connections - len(self._connections) - len(self._opening)
        if places <= 0:
            for connection in self._connections:
                connection.ask()
        wanted = len(self._waiting) // self._calls_each + 1 - len(self._opening)
        for _ in range(min(places, wanted)):
            self._opening.add(asyncio.create_task(self._open()))

    async def _open(self) -> None:
        """Opens one connection; whoever waits hears of it, or why it did not come about."""
        connection = Http2Connection(self, self.target.origin)
        fault: NotSent | None = None
        try:
            async with asyncio.timeout(self._connect_time):
                await connect(self.target, self._contexts, connection, self._spares)
                await connection.opening.done()
            self._connections.append(connection)
            connection.idle_since = self._clock.monotonic()
            self._calls_each = max(min(connection.places.allowed, self._most_each), 1)
        except NotSent as refused:
            fault = refused
        except TimeoutError:
            fault = self._overdue()
        finally:
            self._opening.discard(cast("asyncio.Task[None]", asyncio.current_task()))
            if connection not in self._connections:
                connection.drop()
            self._waiting.tell_all(fault)

    def _overdue(self) -> NotSent:
        if self._opening or not self._connections:
            return NotSent(
                "connect-timeout",
                f"Nothing was sent: {self.target.origin} did not open an HTTP/2 connection within"
                f" {self._connect_time:g} s; try again.",
            )
        return NotSent(
            "pool-full",
            f"Nothing was sent: all {self.target.max_connections} connections to {self.target.origin} carried as many"
            " calls as they may, or gave no sign of life; try again, or raise max_connections.",
        )

    def _fresh(self, connection: Http2Connection) -> bool:
        return self._lately(connection.heard_at if connection.places.taken else connection.idle_since)

    def _lately(self, since: float) -> bool:
        return self._keep_alive <= 0 or self._clock.monotonic() - since < self._keep_alive

    def _retire(self) -> None:
        self._timer = None
        idle = [connection for connection in self._connections if not connection.places.taken]
        for connection in idle:
            if not self._fresh(connection):
                connection.retire()
        left = [connection for connection in idle if connection in self._connections]
        if left and self._keep_alive > 0:
            first = min(connection.idle_since for connection in left)
            rest = max(first + self._keep_alive - self._clock.monotonic(), 0.001)
            self._timer = left[0].loop.call_later(rest, self._retire)
