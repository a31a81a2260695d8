"""Postgres as the authority: a small pool, and statements that each commit by themselves.

Knows connections, time-outs and what the server says beside its answers. Refuses to know what is written, and to
cancel it: a commit whose end was not seen stands or does not, and only the server knows. So whoever waits is told
``StoreUnavailable`` in time, the statement goes on, and the same one issued again finds what became of it.
"""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, Generic, TypeVar

import asyncpg
from sqlalchemy import Connection, NullPool
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.errors import StoreUnavailable, StoreUnfit
from gateway.stores.sql import postgres_schema, postgres_url
from gateway.stores.sql.chain import OWN, Chain
from gateway.stores.sql.faults import translated
from gateway.stores.sql.phase import Phase
from gateway.stores.sql.postgres_listening import Heard, Listener
from gateway.stores.sql.postgres_wire import Wire, connect, engine_of
from gateway.stores.sql.revisions import Schema, SchemaState, refusal

Result = TypeVar("Result")
Work = Callable[[Connection], Result]

# One commits what was gathered; the others read, sweep, and make up for those that wait for a silent server.
POOL = 6

# How long a statement whose caller has been told may still hold its connection. Cutting it at once would leave a
# server process behind for every attempt while a commit waits for a standby that is gone, and soon no slot for anybody.
_LAST = 5.0


@contextmanager
def _translated() -> Generator[None]:
    """The driver's own errors come bare while a connection is opened, and so do those of sockets and TLS."""
    try:
        with translated():
            yield
    except OSError as error:
        raise StoreUnavailable(f"the store cannot be reached: {error.strerror or error}") from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        raise StoreUnavailable(f"the store cannot be opened: {error.args[0]}") from error


@dataclass(slots=True, eq=False)
class _Attempt(Generic[Result]):
    """One run of work on a connection of the pool."""

    engine: AsyncEngine
    work: Work[Result]
    wire: Wire | None = None
    _before: int = 0

    @property
    def answered(self) -> int:
        """Statements of this work that the server has answered."""
        return 0 if self.wire is None else self.wire.answered - self._before

    async def run(self) -> Result:
        with _translated():
            async with self.engine.connect() as connection:
                self.wire = (await connection.get_raw_connection()).driver_connection
                assert self.wire is not None  # noqa: S101 - it was connected just now
                self._before = self.wire.answered
                try:
                    result = await connection.run_sync(self.work)
                except BaseException:
                    # Whatever failed, nothing is concluded from this connection again.
                    self.wire.terminate()
                    raise
                if self.wire.warned:
                    self.wire.terminate()
                    raise StoreUnavailable("the server warned of the commit: no standby may have confirmed it")
                return result

    def cut(self) -> None:
        """Ends the connection under the work, which then ends by itself."""
        if self.wire is not None:
            self.wire.terminate()


@dataclass(slots=True)
class PostgresDatabase:
    """A database as the store sees one: work whose statements commit one by one."""

    engine: AsyncEngine
    # How long the server may be silent, not how long the work may take, for a batch may be many statements. An
    # operation's deadline is longer and covers two attempts.
    patience: timedelta
    address: str = field(repr=False)
    opened: bool = False
    _under_way: dict[asyncio.Task[Any], _Attempt[Any]] = field(default_factory=dict[Any, Any])
    _listener: Listener | None = None
    _closed: bool = False

    async def write(self, work: Work[Result]) -> Result:
        """The work's result, after each of its statements was committed as durably as the server is set up to."""
        return await self._run(work)

    async def read(self, work: Work[Result]) -> Result:
        """The work's result; each statement sees its own moment."""
        return await self._run(work)

    async def listen(self, heard: Heard) -> bool:
        """Whether ``heard`` is called with every word from now on, on a connection beside the pool."""
        if self._closed:
            return False
        if self._listener is None:
            self._listener = Listener(lambda: connect(self.address), self.patience.total_seconds(), heard)
        return await self._listener.listen()

    async def heard_out(self) -> None:
        """Returns when the connection that word came on has ended."""
        if self._listener is not None:
            await self._listener.heard_out()

    async def close(self) -> None:
        """Ends every connection."""
        self._closed = True
        if self._listener is not None:
            await self._listener.close()
        for attempt in self._under_way.values():
            attempt.cut()
        while self._under_way:
            await asyncio.wait(self._under_way)
        await self.engine.dispose()

    async def _run(self, work: Work[Result]) -> Result:
        if self._closed:
            raise StoreUnavailable("the store is closed")
        attempt, answered = _Attempt(self.engine, work), 0
        task = asyncio.create_task(attempt.run())
        self._under_way[task] = attempt
        task.add_done_callback(self._over)
        try:
            while not await self._is_done(task):
                if attempt.answered == answered:
                    break
                answered = attempt.answered
        except asyncio.CancelledError:
            self._end(task)
            raise
        if task.done():
            return self._outcome(task, attempt)
        if attempt.wire is None:
            self._end(task)
            raise StoreUnavailable("the store was not reached in time, or all its connections wait for the server")
        asyncio.get_running_loop().call_later(_LAST, self._end, task)
        raise StoreUnavailable("the store did not answer in time", unsure=True)

    async def _is_done(self, task: asyncio.Task[Any]) -> bool:
        await asyncio.wait((task,), timeout=self.patience.total_seconds())
        return task.done()

    def _outcome(self, task: asyncio.Task[Result], attempt: _Attempt[Result]) -> Result:
        try:
            return task.result()
        except StoreUnavailable as fault:
            fault.unsure = attempt.wire is not None
            raise
        except StoreUnfit as fault:
            if not self.opened:
                raise
            # It was fit at the start. To those who call now it is a store that cannot grant.
            raise StoreUnavailable(str(fault)) from fault

    def _end(self, task: asyncio.Task[Any]) -> None:
        """Of an attempt that nobody waits for: before its first statement it is called off, later cut off."""
        attempt = self._under_way.get(task)
        if attempt is None:
            return
        if attempt.wire is None:
            task.cancel()
        attempt.cut()

    def _over(self, task: asyncio.Task[Any]) -> None:
        del self._under_way[task]
        if not task.cancelled():
            task.exception()


async def open_database(url: str, deadline: timedelta, chain: Chain = OWN) -> PostgresDatabase:
    """The database at ``url``; ``StoreUnfit`` where the server or its schema cannot keep the promise."""
    address = postgres_url.checked(url)
    engine = engine_of(
        address,
        isolation_level="AUTOCOMMIT",
        pool_size=POOL,
        max_overflow=0,
        pool_timeout=deadline.total_seconds(),
    )
    database = PostgresDatabase(engine, deadline / 2, address)
    try:
        schema = await database.read(partial(postgres_schema.look, chain=chain))
    except BaseException:
        await database.close()
        raise
    wrong = refusal(schema.state, postgres_schema.words(url))
    if wrong is not None:
        await database.close()
        raise StoreUnfit(wrong)
    database.opened = True
    return database


async def migrate(url: str, phase: Phase | None = None, chain: Chain = OWN) -> Schema:
    """Runs what ``phase`` may; the schema as it is then. Safe to repeat, and for two at once."""
    return await _once(url, partial(postgres_schema.migrate, chain=chain, phase=phase, url=url))


async def schema_state(url: str, chain: Chain = OWN) -> SchemaState:
    """The state of the schema at ``url``."""
    return (await _once(url, partial(postgres_schema.look, chain=chain))).state


async def _once(url: str, work: Work[Result]) -> Result:
    """Work in one transaction, on a connection of its own."""
    engine = engine_of(postgres_url.checked(url), poolclass=NullPool)
    with _translated():
        async with engine.begin() as connection:
            return await connection.run_sync(work)
