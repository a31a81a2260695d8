"""The courses that are counted: one call each, from the first byte on a real socket to the last one of its answer.

Knows the whole gateway as it is wired, a caller and an upstream in the same loop, and stores whose replies come in one
piece; not SQLite, whose work is done in another thread. One call at a time, so that the same things happen in the same
order each time.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import uvloop
from ruamel.yaml import YAML

from gateway.config.load import load
from gateway.edge.listener import bind
from gateway.telemetry import logs
from gateway.wiring.serving import Serving, Telemetry, opened
from tests.costs.counting import Counted, counted
from tests.postgres import Servers
from tests.redis_servers import VALKEY, running

ROOT = str(Path(__file__).parents[2])
SMALL = b'{"id":"ch_1","status":"succeeded"}'
LARGE = b'{"lines":[%s]}' % b",".join(b'{"sku":"%05d","amount":%d}' % (n, n * 37 % 9973) for n in range(300))
BODY = b'{"amount": 1250, "currency": "EUR"}'

# Before it is counted, a call is made so often: caches are full, connections there, branches taken.
WARM = 12
TIMES = 9
TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class Course:
    """``key`` of the n-th call; ``outcome`` that it must have; ``kept``: whether replays are kept in the process;
    ``varied``: no two requests are the same bytes."""

    name: str
    store: str
    key: Callable[[int], bytes | None]
    outcome: bytes
    target: bytes = b"/charges"
    encryption: tuple[str, ...] = ()
    kept: bool = False
    varied: bool = False


def _none(_: int) -> None:
    return None


def _new(number: int) -> bytes:
    return b"first-%06d" % number


def _same(_: int) -> bytes:
    return b"replayed-key"


COURSES = (
    Course("pass-through", "memory", _none, b"unguarded"),
    Course("first call, memory", "memory", _new, b"executed"),
    Course("replay, memory", "memory", _same, b"replayed"),
    Course("first call, Redis", "redis", _new, b"executed"),
    Course("replay, Redis", "redis", _same, b"replayed"),
    Course("first call, Postgres", "postgres", _new, b"executed"),
    Course("replay, Postgres", "postgres", _same, b"replayed"),
    Course("replay, kept in the process", "redis", _same, b"replayed", kept=True, varied=True),
    Course("replay, kept in the process, same bytes", "redis", _same, b"replayed", kept=True),
    Course("first call, Redis, sealed 10 KiB", "redis", _new, b"executed", b"/large", ("a secret of the test",)),
    Course("replay, Redis, sealed 10 KiB", "redis", _same, b"replayed", b"/large", ("a secret of the test",)),
)


def own(file: str) -> bool:
    """Whether the code of a file is the instrument's, not the gateway's."""
    return file.startswith((f"{ROOT}/tests/", f"{ROOT}/loadtests/"))


class _Upstream(asyncio.Protocol):
    """Answers whatever arrives in one piece."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        body = LARGE if b" /large " in data else SMALL
        fields = b"Content-Type: application/json\r\nDate: Mon, 23 Nov 2026 20:15:00 GMT\r\nX-Request-Id: req_1\r\n"
        self._transport.write(b"HTTP/1.1 201 Created\r\n%bContent-Length: %d\r\n\r\n%b" % (fields, len(body), body))


class _Caller(asyncio.Protocol):
    """One kept-alive connection; one call at a time."""

    def __init__(self) -> None:
        self._seen = b""
        self._answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._seen += data
        head, found, body = self._seen.partition(b"\r\n\r\n")
        if found and len(body) == int(head.lower().partition(b"\r\ncontent-length: ")[2].split(b"\r\n")[0]):
            self._seen = b""
            self._answer.set_result(head)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._answer.done():
            self._answer.set_exception(exc or ConnectionError("the gateway hung up"))

    async def call(self, request: bytes) -> bytes:
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer


def _request(target: bytes, key: bytes | None, number: int) -> bytes:
    named = b"" if key is None else b"Idempotency-Key: %b\r\n" % key
    fields = (
        b"Host: pay.example\r\nUser-Agent: payments/3.1.%03d\r\nAccept: application/json\r\nAccept-Encoding: gzip\r\n"
        b"Content-Type: application/json\r\nAuthorization: Bearer sk_test_1\r\n"
    ) % number
    return b"POST %b HTTP/1.1\r\n%b%bContent-Length: %d\r\n\r\n%b" % (target, fields, named, len(BODY), BODY)


@asynccontextmanager
async def _gateway(course: Course, store: str) -> AsyncGenerator[int]:
    """A gateway for this course, and the port that it listens on."""
    loop = asyncio.get_running_loop()
    upstream = await loop.create_server(_Upstream, "127.0.0.1", 0)
    settings: dict[str, Any] = {
        "store": store,
        "encryption": {"keys": list(course.encryption)},
        # A connection for all calls, however long a loaded machine takes for them.
        "routes": [
            {
                "name": "api",
                "upstream": {"url": f"http://127.0.0.1:{upstream.sockets[0].getsockname()[1]}", "keep_alive": "10m"},
            }
        ],
    }
    if not course.encryption:
        del settings["encryption"]
    if not course.kept and course.store != "memory":
        settings["replay_cache"] = {"max_bytes": "0B"}
    with TemporaryDirectory() as folder:
        file = Path(folder) / "gateway.yaml"
        with file.open("w") as out:
            YAML().dump(settings, out)
        configuration = load(file, {}, {})
    # As a program reads them, whatever this runs on.
    logs.configure("json", "info")
    telemetry = Telemetry(configuration)
    listening = bind("127.0.0.1", 0, "listen")
    store_opened = await opened(configuration, telemetry)
    serving = Serving(configuration, store_opened, telemetry, listening)
    await serving.start()
    try:
        yield int(serving.address.rpartition(":")[2])
    finally:
        await serving.stop()
        await store_opened.store.close()
        upstream.close()


async def _counted(course: Course, store: str) -> Counted:
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        # Around everything and not around a call: what it costs would be counted.
        await stack.enter_async_context(asyncio.timeout(TIMEOUT))
        port = await stack.enter_async_context(_gateway(course, store))
        transport, caller = await loop.create_connection(_Caller, "127.0.0.1", port)
        stack.callback(transport.close)
        number = 0

        async def call() -> bytes:
            nonlocal number
            number += 1
            head = await caller.call(_request(course.target, course.key(number), number if course.varied else 0))
            # What is done behind the answer belongs to the call.
            for _ in range(4):
                await asyncio.sleep(0)
            return head.lower() + b"\r\n"

        async def as_it_must() -> None:
            head = await call()
            assert b"\r\nidempotency-status: %b\r\n" % course.outcome in head, head.decode()

        # The one that later ones replay.
        await call()
        for _ in range(WARM):
            await as_it_must()
        return await counted(as_it_must, own, TIMES)


def count(course: Course) -> Counted:
    """What one call of the course costs."""
    with ExitStack() as stack:
        return uvloop.run(_counted(course, _store(course.store, stack)))


def _store(kind: str, stack: ExitStack) -> str:
    match kind:
        case "redis":
            return stack.enter_context(running(VALKEY)).url
        case "postgres":
            servers = stack.enter_context(Servers(Path(stack.enter_context(TemporaryDirectory()))))
            return stack.enter_context(servers.get().database())
        case _:
            return "memory:"
