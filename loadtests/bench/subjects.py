"""Everything that is measured, by name, and how each is started: on the first core, its store on the last.

Knows commands and ports. Refuses to know how anything is loaded or judged.
"""

import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from loadtests.bench import nginx
from loadtests.bench.result import Kind
from loadtests.bench.upstream import Application, Upstream
from loadtests.cores import elsewhere, here
from loadtests.servers import postgres
from tests.postgres import Server
from tests.process import COMMAND, anywhere, start
from tests.redis_servers import IN_MEMORY, REDIS, VALKEY, eventually, running, unused_port

ROOT = Path(__file__).parents[2]
EXPRESS = Path(__file__).parent / "peers" / "express"

GUARDED = (Kind.FIRST, Kind.REPLAY)


@dataclass
class Place:
    """Where everything of a stage lives: a folder, the upstream, and stores that are started when asked for."""

    folder: Path
    upstream: Upstream
    answer: Path
    stack: ExitStack
    _postgres: Server | None = field(default=None)

    def redis(self) -> int:
        """The port of a new Redis that writes no file."""
        with elsewhere():
            return self.stack.enter_context(running(REDIS or VALKEY, *IN_MEMORY)).port

    def database(self) -> str:
        """The URL of a new database of a PostgreSQL whose commits wait for the disk."""
        if self._postgres is None:
            self._postgres = self.stack.enter_context(postgres(self.folder / "postgres"))
        return self.stack.enter_context(self._postgres.database())


@dataclass(frozen=True, slots=True)
class Running:
    """A started subject, and the API that it calls, or that it is."""

    port: int
    process: int
    api: Upstream | Application


Start = Callable[[Place], AbstractContextManager[Running]]


def _nothing() -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing to measure: what of it, how it starts, what must be installed, and what it does not do."""

    name: str
    kinds: tuple[Kind, ...]
    start: Start
    missing: Callable[[], str | None] = _nothing
    lacks: str = ""
    ours: bool = False


@contextmanager
def _direct(place: Place) -> Generator[Running]:
    yield Running(place.upstream.port, place.upstream.server.process, place.upstream)


@contextmanager
def _nginx(place: Place) -> Generator[Running]:
    with here(), nginx.running(place.folder / "nginx", nginx.passing(place.upstream.port)) as server:
        yield Running(server.port, server.process, place.upstream)


@contextmanager
def _nginx_lua(place: Place) -> Generator[Running]:
    text = nginx.guarding(place.upstream.port, place.redis())
    with here(), nginx.running(place.folder / "lua", text, lua=True) as server:
        yield Running(server.port, server.process, place.upstream)


def _memory(_: Place) -> tuple[str, ...]:
    return ("--store", "memory:")


def _sqlite(place: Place) -> tuple[str, ...]:
    return ("--store", f"sqlite:///{place.folder}/gateway.db")


def _redis(place: Place) -> tuple[str, ...]:
    return ("--store", f"redis://127.0.0.1:{place.redis()}/0")


def _postgres(place: Place) -> tuple[str, ...]:
    return ("--store", place.database())


def _tiered(place: Place) -> tuple[str, ...]:
    return (*_postgres(place), *_redis(place))


@contextmanager
def _gateway(
    store: Callable[[Place], tuple[str, ...]], place: Place, command: tuple[str, ...] = COMMAND
) -> Generator[Running]:
    options = store(place)
    with here():
        served = start(*anywhere(place.upstream.port), *options, folder=place.folder, command=command, environ=PATHS)
    try:
        yield Running(served.port, served.process.pid, place.upstream)
    finally:
        served.kill()


UNBATCHED = (sys.executable, "-m", "loadtests.bench.unbatched")
PATHS = {"PYTHONPATH": str(ROOT)}


@contextmanager
def _program(*command: str, log: Path, port: int, upstream: Upstream | None = None) -> Generator[Running]:
    with here(), log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)

    def answers() -> bool:
        if process.poll() is not None:
            raise AssertionError(f"{command[-1]} did not start: {log.read_text()}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        eventually(answers)
        yield Running(port, process.pid, upstream or Application(port))
    finally:
        process.kill()
        process.wait(20)


@contextmanager
def _proxy(module: str, place: Place) -> Generator[Running]:
    port = unused_port()
    command = (sys.executable, "-m", f"loadtests.bench.peers.{module}")
    options = ("--port", str(port), "--upstream", str(place.upstream.port))
    with _program(*command, *options, log=place.folder / module, port=port, upstream=place.upstream) as running_proxy:
        yield running_proxy


@contextmanager
def _asgi_header(place: Place) -> Generator[Running]:
    port = unused_port()
    command = (sys.executable, "-m", "loadtests.bench.peers.asgi_header", "--port", str(port))
    options = ("--redis", str(place.redis()), "--answer", str(place.answer))
    with _program(*command, *options, log=place.folder / "asgi", port=port) as application:
        yield application


@contextmanager
def _empty(place: Place) -> Generator[Running]:
    port = unused_port()
    command = (sys.executable, "-m", "loadtests.bench.peers.empty", "--port", str(port), "--answer", str(place.answer))
    with _program(*command, log=place.folder / "empty", port=port) as application:
        yield application


@contextmanager
def _express(place: Place) -> Generator[Running]:
    port = unused_port()
    command = ("node", str(EXPRESS / "server.js"), str(port), str(place.redis()), str(place.answer))
    with _program(*command, log=place.folder / "express", port=port) as application:
        yield application


def _needs(module: str) -> str | None:
    return None if find_spec(module) else f"{module} is not installed: pip install -c constraints.txt -e '.[bench]'"


def _needs_node() -> str | None:
    if shutil.which("node") and (EXPRESS / "node_modules" / "express").is_dir():
        return None
    return f"its packages are not installed: npm ci --ignore-scripts --prefix {EXPRESS.relative_to(ROOT)}"


DIRECT, NGINX, NGINX_LUA = "the API itself", "nginx proxy_pass", "nginx + Lua + Redis"
EMPTY, ASGI_HEADER, EXPRESS_NAME = "uvicorn, empty", "asgi-idempotency-header", "express-idempotency"
MEMORY, SQLITE, REDIS_NAME = "gateway, memory", "gateway, SQLite", "gateway, Redis"
POSTGRES, TIERED, UNBATCHED_NAME = "gateway, Postgres", "gateway, Postgres and Redis", "asyncpg, one by one"

SUBJECTS = (
    Subject(DIRECT, (Kind.PASS,), _direct),
    Subject(NGINX, (Kind.PASS,), _nginx, lacks="no idempotency"),
    Subject(
        NGINX_LUA,
        (*GUARDED, Kind.ONE),
        _nginx_lua,
        partial(nginx.missing, lua=True),
        "no fence, no unknown (a call longer than its lease is sent twice), nothing after Redis has lost it",
    ),
    Subject(EMPTY, (Kind.PASS,), _empty, lacks="no hop, no store: what is left when everything is taken away"),
    Subject("httpx2 proxy", (Kind.PASS,), partial(_proxy, "proxy_httpx2"), lacks="no idempotency"),
    Subject(
        "aiohttp proxy",
        (Kind.PASS,),
        partial(_proxy, "proxy_aiohttp"),
        partial(_needs, "aiohttp"),
        "no idempotency; its client sends some calls twice by itself",
    ),
    Subject(
        ASGI_HEADER,
        GUARDED,
        _asgi_header,
        partial(_needs, "idempotency_header_middleware"),
        "in the application, without a hop; no fingerprint, JSON only, no fence, no unknown",
    ),
    Subject(
        EXPRESS_NAME,
        GUARDED,
        _express,
        _needs_node,
        "in the application, without a hop; looks and then writes, no fence, no unknown",
    ),
    Subject(MEMORY, (Kind.PASS, *GUARDED), partial(_gateway, _memory), lacks="nothing outlives the process", ours=True),
    Subject(SQLITE, GUARDED, partial(_gateway, _sqlite), ours=True),
    Subject(
        REDIS_NAME, (*GUARDED, Kind.ONE), partial(_gateway, _redis), lacks="what Redis loses is forgotten", ours=True
    ),
    Subject(POSTGRES, GUARDED, partial(_gateway, _postgres), ours=True),
    Subject(TIERED, GUARDED, partial(_gateway, _tiered), ours=True),
    Subject(
        UNBATCHED_NAME,
        (Kind.FIRST,),
        partial(_gateway, _postgres, command=UNBATCHED),
        lacks="for comparison: the gateway with a commit for each claim and each answer",
    ),
)
