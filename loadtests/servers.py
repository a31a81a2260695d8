"""The servers that are measured: real ones, from their wheels, on another core than what measures them.

Knows how they are set up and where they keep count. Refuses to know what is counted for whom.
"""

import asyncio
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtests.cores import elsewhere
from tests.postgres import Server, installed, on, serving
from tests.redis_servers import VALKEY, RedisServer, running

# Commits wait for the disk. Memory is what the server takes by itself. Dead rows are removed when the measurement says
# so, and not while something else is measured.
_SETTINGS = {"fsync": "on", "synchronous_commit": "on", "shared_buffers": "128MB", "autovacuum": "off"}
_SHOWN = (*_SETTINGS, "max_wal_size")


@contextmanager
def postgres(folder: Path) -> Generator[Server]:
    """A PostgreSQL 18 in ``folder``."""
    with ExitStack() as stack:
        with elsewhere():
            server = stack.enter_context(serving(installed()["postgres-18"], folder))
            server.set(**_SETTINGS)
            server.stop()
            server.start()
        yield server


@contextmanager
def valkey(binary: str = VALKEY) -> Generator[RedisServer]:
    """A Valkey, or a Redis, that writes no file."""
    with ExitStack() as stack:
        with elsewhere():
            server = stack.enter_context(running(binary))
        yield server


def described(server: Server) -> str:
    """The server and its settings, for people."""
    ((version,),) = server.execute("SELECT current_setting('server_version')")
    shown = (f"{name}={server.execute('SELECT current_setting($1)', name)[0][0]}" for name in _SHOWN)
    return f"PostgreSQL {version}, {', '.join(shown)}"


@dataclass(frozen=True, slots=True)
class Written:
    """What a server has done so far: transactions of one database, bytes of WAL of all."""

    commits: int
    wal: int

    def since(self, before: "Written") -> "Written":
        """What was done in between."""
        return Written(self.commits - before.commits, self.wal - before.wal)


async def ended(server: Server, url: str) -> None:
    """Returns when nobody works in the database at ``url`` any more: what a session counted comes in at its end."""

    async def wait(connection: Any) -> None:  # noqa: ANN401 - the driver is untyped
        others = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1"
        while await connection.fetchval(others, _name(url)):  # noqa: ASYNC110 - nobody tells when a session has ended
            await asyncio.sleep(0.01)

    await on(server.url(), wait)


async def written(server: Server, url: str) -> Written:
    """The counts of the database at ``url``, from outside of it."""
    await ended(server, url)

    async def count(connection: Any) -> Written:  # noqa: ANN401 - the driver is untyped
        commits = await connection.fetchval("SELECT xact_commit FROM pg_stat_database WHERE datname = $1", _name(url))
        wal = await connection.fetchval("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint")
        return Written(commits, wal)

    return await on(server.url(), count)


def _name(url: str) -> str:
    return url.rpartition("/")[2]
