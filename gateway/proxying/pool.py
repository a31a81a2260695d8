"""The connections of one route: which are idle, how many there may be, who waits for one.

Knows ages and places. Refuses to know HTTP. The newest idle connection is used first, so that the others grow old and
are retired; none is used past ``keep_alive``, none is shared with another route.
"""

import asyncio
from collections import deque

from gateway.errors import NotSent
from gateway.policies.routing import Target
from gateway.ports import Clock
from gateway.proxying.bodies import Address
from gateway.proxying.connecting import connect
from gateway.proxying.connection import Connection
from gateway.proxying.spares import Spares
from gateway.proxying.tls import Contexts, contexts


class Pool:
    """At most ``target.max_connections`` connections, in use or idle. ``target`` is kept alive by its pool.

    Raises ``ConfigInvalid`` where the target's TLS files cannot be used.
    """

    def __init__(self, target: Target, clock: Clock, spares: Spares) -> None:
        self.target = target
        self._only_call = target.keep_alive.total_seconds() <= 0
        self.address = _address(target, only_call=self._only_call)
        self.idle_time = target.timeouts.idle.total_seconds()
        self._clock = clock
        self._spares = spares
        self._keep_alive = target.keep_alive.total_seconds()
        self._contexts: Contexts = contexts(target)
        self._idle: deque[Connection] = deque()
        self._places = target.max_connections
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def take(self) -> Connection | None:
        """The newest idle connection that can be used at this moment."""
        while self._idle:
            connection = self._idle.pop()
            if self._young(connection) and connection.usable():
                return connection
            connection.drop()
        return None

    async def obtain(self) -> Connection:
        """A connection that can be used at this moment, a new one or one that another call has just left.

        Raises ``NotSent``: ``pool-full``, ``draining``, or what connecting says.
        """
        while not self._closed:
            if self._places > 0:
                self._places -= 1
                return await self._connect()
            left = await self._wait()
            if left is None:
                return await self._connect()
            if left.usable():
                return left
            left.drop()
        raise NotSent("draining", "Nothing was sent: the gateway is shutting down; try another one.")

    def recycle(self, connection: Connection) -> None:
        """``Keeper``: to who waits longest, else to the idle ones."""
        if self._closed or self._only_call:
            connection.drop()
        elif not self._hand_over(connection):
            connection.idle_since = self._clock.monotonic()
            self._idle.append(connection)
            if self._timer is None:
                self._timer = connection.loop.call_later(self._keep_alive, self._retire)

    def forget(self, connection: Connection) -> None:
        """``Keeper``: its place is free."""
        if connection in self._idle:
            self._idle.remove(connection)
        self._free_place()

    def read_tls(self) -> Contexts:
        """TLS by its files as they are now; ``ConfigInvalid`` where they cannot be used."""
        return contexts(self.target)

    def exchange(self, made: Contexts) -> None:
        """Connections begin with these from now on; what is idle ends, what is in use stands."""
        self._contexts = made
        while self._idle:
            self._idle[-1].drop()

    def close(self) -> None:
        """Ends what is idle; a connection in use ends with its call."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._idle:
            self._idle.pop().drop()

    async def _connect(self) -> Connection:
        connection = Connection(self)
        try:
            await connect(self.target, self._contexts, connection, self._spares)
        except BaseException:
            connection.drop()
            raise
        if not connection.usable():
            connection.drop()
            raise NotSent(
                "connect",
                f"Nothing was sent: {self.target.origin} hung up or spoke before it was asked; check what listens.",
            )
        return connection

    async def _wait(self) -> Connection | None:
        """A connection, or ``None``: a place for a new one."""
        waiter: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            async with asyncio.timeout(self.target.timeouts.connect.total_seconds()):
                return await waiter
        except TimeoutError:
            self._give_back(waiter)
            raise NotSent(
                "pool-full",
                f"Nothing was sent: all {self.target.max_connections} connections to {self.target.origin} were busy;"
                " try again, or raise max_connections.",
            ) from None
        except asyncio.CancelledError:
            self._give_back(waiter)
            raise

    def _give_back(self, waiter: asyncio.Future[Connection | None]) -> None:
        if waiter.cancelled():
            if waiter in self._waiting:
                self._waiting.remove(waiter)
        elif (left := waiter.result()) is None:
            self._free_place()
        else:
            self.recycle(left)

    def _free_place(self) -> None:
        if not self._hand_over(None):
            self._places += 1

    def _hand_over(self, left: Connection | None) -> bool:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(left)
                return True
        return False

    def _young(self, connection: Connection) -> bool:
        return self._clock.monotonic() - connection.idle_since < self._keep_alive

    def _retire(self) -> None:
        self._timer = None
        while self._idle and not self._young(self._idle[0]):
            self._idle[0].drop()
        if self._idle:
            left = self._idle[0].idle_since + self._keep_alive - self._clock.monotonic()
            self._timer = self._idle[0].loop.call_later(max(left, 0.001), self._retire)


def _address(target: Target, *, only_call: bool) -> Address:
    authority = target.authority.encode("ascii")
    lines = b"Connection: close\r\n" if only_call else b""
    if target.proxy is None or not target.forwarded_by_proxy:
        return Address(authority, lines=lines)
    if target.proxy.authorization:
        lines += b"Proxy-Authorization: %b\r\n" % target.proxy.authorization
    return Address(authority, b"http://" + authority, lines)
