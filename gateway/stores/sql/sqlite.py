"""SQLite as the authority: one file, one writer thread, a transaction a batch.

Knows threads, transactions and what SQLite must be told to keep an acknowledged commit through a loss of power.
Refuses to know what is written. Several processes may share one file; SQLite's write lock orders them.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.pool import ConnectionPoolEntry

from gateway.errors import StoreUnavailable, StoreUnfit
from gateway.stores.sql import files
from gateway.stores.sql.chain import OWN, Chain
from gateway.stores.sql.faults import opening, translated
from gateway.stores.sql.revisions import SchemaState, refusal
from gateway.stores.sql.schema import migrate, schema_state, words

Result = TypeVar("Result")
Work = Callable[[Connection], Result]

# One attempt's wait for another process; an operation's deadline is longer and covers several attempts.
_BUSY = timedelta(milliseconds=400)
_PAUSE = 0.02


def _thread(name: str) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)


@dataclass(slots=True)
class SqliteDatabase:
    """A database as the store sees one: work that writes, work that reads, each on a thread of its own."""

    engine: Engine
    place: files.Place
    _writer: ThreadPoolExecutor = field(default_factory=lambda: _thread("sqlite-writer"))
    _reader: ThreadPoolExecutor = field(default_factory=lambda: _thread("sqlite-reader"))
    _closed: bool = False

    async def write(self, work: Work[Result]) -> Result:
        """The work's result, after its one transaction was committed to the disk, into the file that others open."""
        return await self._run(self._writer, partial(_committed, self.engine, self.place, work))

    async def read(self, work: Work[Result]) -> Result:
        """The work's result, of one consistent moment, beside any writer."""
        reading = self.engine.execution_options(reads_only=True)
        return await self._run(self._reader, partial(_in_transaction, reading, work))

    async def listen(self, heard: Callable[[str], None]) -> bool:
        """Nothing is heard: a file tells nobody."""
        del heard
        return False

    async def heard_out(self) -> None:
        """Never: nobody asks again and again for what there is not."""
        await asyncio.get_running_loop().create_future()

    async def close(self) -> None:
        """Waits for the work under way, then closes the file."""
        self._closed = True
        loop = asyncio.get_running_loop()
        for thread in (self._writer, self._reader):
            await loop.run_in_executor(None, thread.shutdown)
        self.engine.dispose()

    async def _run(self, thread: ThreadPoolExecutor, job: Callable[[], Result]) -> Result:
        if self._closed:
            raise StoreUnavailable("the store is closed")
        return await asyncio.get_running_loop().run_in_executor(thread, job)


def _committed(engine: Engine, place: files.Place, work: Work[Result]) -> Result:
    result = _in_transaction(engine, work)
    # After the commit and before anybody hears of it: a grant in a file that has lost its name is no grant.
    place.confirm()
    return result


def _in_transaction(engine: Engine, work: Work[Result]) -> Result:
    with translated(), engine.begin() as connection:
        return work(connection)


async def open_database(location: str | Path, deadline: timedelta, chain: Chain = OWN) -> SqliteDatabase:
    """The database in a file: made and given its schema where it is new, refused where it is not fit."""
    path = files.path_of(location)
    return SqliteDatabase(*await asyncio.to_thread(_open, path, time.monotonic() + deadline.total_seconds(), chain))


def _open(path: Path, until: float, chain: Chain) -> tuple[Engine, files.Place]:
    files.prepare(path)
    engine = _engine(path)
    while True:
        try:
            return engine, _make_fit(engine, path, chain)
        except StoreUnavailable:
            # Two processes that make one file together meet locks that SQLite does not wait for by itself.
            engine.dispose()
            if time.monotonic() >= until:
                raise
            time.sleep(_PAUSE)
        except StoreUnfit:
            engine.dispose()
            raise


def _make_fit(engine: Engine, path: Path, chain: Chain) -> files.Place:
    seen = files.inode(path)
    # Looked at before anything is set up, so that a file of somebody else stays as it is.
    state = schema_state(path, chain)
    wrong = None if state is SchemaState.ABSENT else refusal(state, words(path))
    if wrong is not None:
        raise StoreUnfit(wrong)
    # Takes the write lock once: whatever stands against writing shows now.
    with opening(path), engine.begin():
        pass
    if state is SchemaState.ABSENT:
        migrate(path, chain=chain)
    place = files.Place.of(path)
    if files.inode(path) != seen:
        raise StoreUnavailable(f"{path} was replaced while the gateway opened it")
    # A connection that is opened later must not open another file.
    event.listen(engine, "connect", lambda *_: place.confirm())
    return place


def _engine(path: Path) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        poolclass=QueuePool,
        pool_size=2,
        max_overflow=0,
        # With no isolation level the driver begins nothing by itself; each transaction begins below.
        connect_args={"isolation_level": None, "check_same_thread": False, "timeout": _BUSY.total_seconds()},
    )
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "begin", _begin)
    return engine


def _set_up(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise StoreUnfit("SQLite cannot use its write-ahead log in this place: choose a file on a local disk")
    # FULL waits for the disk at every commit; NORMAL would lose acknowledged grants with the power.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA trusted_schema = OFF")


def _begin(connection: Connection) -> None:
    # The write lock first: a transaction that reads and then wants to write could be refused in the middle.
    reads_only = connection.get_execution_options().get("reads_only", False)
    connection.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")
