"""A connection of its own on which Redis tells what was settled and forgotten. Opened when the first call waits, or
when a gateway keeps answers.

Knows one channel a record, named as its key: a settlement that nobody waits for is told to nobody; and one for all that
is forgotten. Knows too that word is never owed (a connection breaks, a user may not publish), and that whoever waits
looks for himself meanwhile.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

from gateway.errors import StoreUnavailable
from gateway.stores.redis.connecting import hang_up

# Its messages are digests; no record's key is as short as this.
FORGOTTEN = b"ig:forgotten"


class Listener:
    """The connection while it lasts, and another when somebody listens again."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[AbstractConnection]],
        patience: float,
        heard: Callable[[bytes, bytes], None],
    ) -> None:
        """``patience``: seconds until a server that does not answer is given up for now. ``heard``: on which channel,
        and what."""
        self._connect = connect
        self._patience = patience
        self._heard = heard
        self._connection: AbstractConnection | None = None
        self._ended = asyncio.Event()
        self._opening = asyncio.Lock()
        self._confirmations: dict[bytes, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def hear_out(self, channel: bytes, begun: Callable[[], None]) -> None:
        """Calls ``begun`` when word of the channel comes from now on; returns when no more does."""
        if await self.listen(channel):
            begun()
            await self._ended.wait()

    async def listen(self, channel: bytes) -> bool:
        """Whether word of the channel comes from now on; returns when that is certain."""
        confirmed = self._confirmations[channel] = asyncio.Event()
        try:
            async with asyncio.timeout(self._patience):
                connection = await self._connected()
                await connection.send_packed_command(connection.pack_command("SUBSCRIBE", channel), check_health=False)
                await confirmed.wait()
                # Its end sets free who waits, too.
                return self._connection is connection
        except (TimeoutError, StoreUnavailable, RedisError, OSError):
            return False
        finally:
            del self._confirmations[channel]

    def ignore(self, channel: bytes) -> None:
        """Nobody waits for the channel any more."""
        if self._connection is not None:
            self._spawn(self._unsubscribe(self._connection, channel))

    async def close(self) -> None:
        """Afterwards nothing is heard."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _connected(self) -> AbstractConnection:
        async with self._opening:
            if self._connection is None:
                self._connection = await self._connect()
                self._ended = asyncio.Event()
                self._spawn(self._read(self._connection))
            return self._connection

    async def _unsubscribe(self, connection: AbstractConnection, channel: bytes) -> None:
        try:
            await connection.send_packed_command(connection.pack_command("UNSUBSCRIBE", channel), check_health=False)
        except (RedisError, OSError):
            return

    async def _read(self, connection: AbstractConnection) -> None:
        try:
            while True:
                told: Any = await connection.read_response(timeout=math.inf, disconnect_on_error=False)
                kind, channel, message = told
                if kind == b"message":
                    self._heard(channel, message)
                elif kind == b"subscribe" and channel in self._confirmations:
                    self._confirmations[channel].set()
        except (RedisError, OSError, ValueError, TypeError):
            # What cannot be read is word of nothing.
            return
        finally:
            self._connection = None
            self._ended.set()
            for confirmed in self._confirmations.values():
                confirmed.set()
            await hang_up(connection)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
