"""A connection of its own on which Postgres tells what was settled elsewhere. Opened when the first call waits, or
when a gateway keeps answers.

Knows that word is never owed: a connection that breaks, or that PgBouncer shares out by transactions, carries none, and
whoever waits looks for himself meanwhile.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from gateway.stores.sql.postgres_wire import Wire
from gateway.stores.sql.waiting import CHANNEL

Heard = Callable[[str], None]


class Listener:
    """The connection, while it lasts."""

    def __init__(self, connect: Callable[[], Awaitable[Wire]], patience: float, heard: Heard) -> None:
        """``patience``: seconds until a server that does not answer is given up for now."""
        self._connect = connect
        self._patience = patience
        self._heard = heard
        self._wire: Wire | None = None
        self._opening: asyncio.Task[None] | None = None
        self._pooled = False
        self._ended = asyncio.Event()
        self._ended.set()

    async def listen(self) -> bool:
        """Whether word comes from now on."""
        if self._listening or self._pooled:
            return self._listening
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
            self._opening.add_done_callback(self._opened)
        await asyncio.wait([self._opening])
        return self._listening

    async def heard_out(self) -> None:
        """Returns when the connection has ended; behind PgBouncer there is none, and never will be."""
        if self._pooled:
            await asyncio.get_running_loop().create_future()
        await self._ended.wait()

    async def close(self) -> None:
        """Afterwards nothing is heard."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        if self._wire is not None:
            self._wire.terminate()

    @property
    def _listening(self) -> bool:
        return self._wire is not None and not self._wire.is_closed()

    async def _open(self) -> None:
        async with asyncio.timeout(self._patience):
            wire = await self._connect()
            try:
                # PgBouncer gives a number of its own for the server's process: behind it no session is this one's.
                self._pooled = await wire.fetchval("SELECT pg_backend_pid()") != wire.get_server_pid()
                if not self._pooled:
                    await wire.add_listener(CHANNEL, self._notified)
            except BaseException:
                wire.terminate()
                raise
        if self._pooled:
            wire.terminate()
        else:
            ended = self._ended = asyncio.Event()
            wire.add_termination_listener(lambda _: ended.set())
            self._wire = wire

    def _opened(self, opening: asyncio.Task[None]) -> None:
        self._opening = None
        if not opening.cancelled():
            # Looked at, and left: there is no word, as on a connection that broke later.
            opening.exception()

    def _notified(self, *notification: Any) -> None:  # noqa: ANN401 - the driver's own
        self._heard(notification[-1])
