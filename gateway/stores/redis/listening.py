"""A connection of its own on which Redis tells what was settled. Opened when the first call waits.

Knows one channel a record, named as its key: a settlement that nobody waits for is told to nobody. Knows too that word
is never owed (a connection breaks, a user may not publish), and that whoever waits looks for himself meanwhile.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

from gateway.errors import StoreUnavailable
from gateway.stores.redis.connecting import hang_up


class Listener:
    """The connection while it lasts, and another when somebody listens again."""

    def __init__(
        self, connect: Callable[[], Awaitable[AbstractConnection]], patience: float, heard: Callable[[bytes], None]
    ) -> None:
        """``patience``: seconds until a server that does not answer is given up for now. ``heard``: of a channel."""
        self._connect = connect
        self._patience = patience
        self._heard = heard
        self._connection: AbstractConnection | None = None
        self._opening = asyncio.Lock()
        self._confirmations: dict[bytes, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def listen(self, channel: bytes) -> None:
        """Returns when word of the channel comes from now on, or when there is none to be had."""
        confirmed = self._confirmations[channel] = asyncio.Event()
        try:
            async with asyncio.timeout(self._patience):
                connection = await self._connected()
                await connection.send_packed_command(connection.pack_command("SUBSCRIBE", channel), check_health=False)
                await confirmed.wait()
        except (TimeoutError, StoreUnavailable, RedisError, OSError):
            return
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
                kind, channel, _ = told
                if kind == b"message":
                    self._heard(channel)
                elif kind == b"subscribe" and channel in self._confirmations:
                    self._confirmations[channel].set()
        except (RedisError, OSError, ValueError, TypeError):
            # What cannot be read is word of nothing.
            return
        finally:
            self._connection = None
            for confirmed in self._confirmations.values():
                confirmed.set()
            await hang_up(connection)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
