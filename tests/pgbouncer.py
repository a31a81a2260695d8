"""PgBouncer in transaction mode in front of a PostgreSQL server, where Debian's package is installed.

Three connections to the server for all clients, taken in turn: whatever a client believes of its session is wrong by
its next statement.
"""

import os
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.postgres import AS_SOMEBODY, TIMEOUT, Server, free_port
from tests.redis_servers import eventually

POOL = 3

_SETTINGS = """
[databases]
* = host=127.0.0.1 port={server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = {pool}
server_round_robin = 1
"""


def installed() -> str | None:
    """The program, where it is here; Debian puts it where only root looks."""
    return shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")


@dataclass
class Bouncer:
    """A PgBouncer in front of ``server``, which comes and goes at one address."""

    server: Server
    folder: Path
    port: int
    _process: "subprocess.Popen[bytes] | None" = None

    def url(self, direct: str) -> str:
        """The same database by way of the bouncer."""
        return direct.replace(f":{self.server.port}/", f":{self.port}/")

    def start(self) -> None:
        program = installed()
        assert program is not None
        with (self.folder / "log").open("wb") as log:
            command = [*AS_SOMEBODY, program, str(self.folder / "ini")]
            self._process = process = subprocess.Popen(command, stdout=log, stderr=log)

        def serves() -> bool:
            log = (self.folder / "log").read_text()
            assert process.poll() is None, log
            return "process up" in log

        eventually(serves)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(TIMEOUT)


@contextmanager
def bouncing(server: Server, folder: Path) -> Generator[Bouncer]:
    """A running PgBouncer, with its files in ``folder``."""
    bouncer = Bouncer(server, folder, free_port())
    (folder / "users").write_text('"postgres" ""\n')
    settings = _SETTINGS.format(server=server.port, port=bouncer.port, folder=folder, pool=POOL)
    (folder / "ini").write_text(settings)
    bouncer.start()
    try:
        yield bouncer
    finally:
        bouncer.kill()
