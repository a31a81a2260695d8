"""The stage of the scenarios: a real gateway on real sockets, a real store, an upstream that logs before it answers."""

import asyncio
import http.client
import json
import ssl
import threading
from collections.abc import Callable, Coroutine, Generator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import uvloop
from ruamel.yaml import YAML

from gateway.config.load import load
from gateway.telemetry import logs
from gateway.wiring.running import Running
from tests.upstream import Upstream

TIMEOUT = 20.0
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer as a client hears it."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for field, value in self.headers if field.lower() == name.lower()]

    def get(self, name: str) -> str | None:
        return next(iter(self.all(name)), None)

    @property
    def problem(self) -> dict[str, Any]:
        assert self.get("content-type") == "application/problem+json", self
        return self.json

    @property
    def json(self) -> dict[str, Any]:
        members: dict[str, Any] = json.loads(self.body)
        return members

    @property
    def told(self) -> str:
        """Status, ``Idempotency-Status`` and the problem's name: ``409 in-flight in-flight``."""
        words = [str(self.status), self.get("idempotency-status") or "-"]
        if self.get("content-type") == "application/problem+json":
            words.append(self.problem["type"].rpartition(":")[2])
        return " ".join(words)


def call(
    port: int,
    method: str,
    target: str,
    headers: list[tuple[str, str]],
    body: bytes | None,
    timeout: float = TIMEOUT,
    context: ssl.SSLContext | None = None,
) -> Heard:
    """One call on a connection of its own, over TLS where ``context`` is given; header lines go out exactly as given.
    ``timeout``: seconds of silence."""
    if context is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    else:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=timeout, context=context)
    try:
        named = any(name == "Host" for name, _ in headers)
        connection.putrequest(method, target, skip_host=named, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        return Heard(response.status, tuple(response.getheaders()), response.read())
    finally:
        connection.close()


def metric(admin_port: int, line: str) -> float:
    """The value of one line of a gateway's metrics, ``0`` where it is not there."""
    for found in call(admin_port, "GET", "/metrics", [], None).body.decode().splitlines():
        name, _, value = found.rpartition(" ")
        if name == line:
            return float(value)
    return 0.0


@dataclass
class Stage:
    """What a scenario plays with."""

    upstream: Upstream
    running: Running
    port: int
    admin_port: int
    pool: ThreadPoolExecutor
    loop: asyncio.AbstractEventLoop

    def send(
        self, method: str, target: str, *headers: tuple[str, str], key: str | None = None, body: bytes | None = b"{}"
    ) -> Heard:
        """One call; ``key`` goes out as ``Idempotency-Key``."""
        lines = [("Idempotency-Key", key)] if key is not None else []
        return call(self.port, method, target, [*lines, *headers], body)

    def post(self, key: str | None, body: bytes = b"{}", *headers: tuple[str, str], target: str = "/charges") -> Heard:
        """A guarded call as most clients make it."""
        return self.send("POST", target, *headers, key=key, body=body)

    def meanwhile(self, key: str, body: bytes = b"{}", *headers: tuple[str, str]) -> Future[Heard]:
        """A ``post`` that goes on in the background."""
        return self.pool.submit(self.post, key, body, *headers)

    def admin(
        self, target: str, *headers: tuple[str, str], method: str = "GET", body: bytes | dict[str, Any] | None = None
    ) -> Heard:
        """A call on the admin listener; ``body`` is sent as JSON, bytes as they are."""
        if body is None or isinstance(body, bytes):
            return call(self.admin_port, method, target, list(headers), body)
        lines = [*headers, ("Content-Type", "application/json")]
        return call(self.admin_port, method, target, lines, json.dumps(body).encode())

    def metric(self, line: str) -> float:
        """The value of one metric line, ``0`` where it is not there."""
        return metric(self.admin_port, line)

    def perform(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Runs a coroutine on the gateway's own loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(TIMEOUT)


def configuration(upstream: Upstream, store: str, text: str = "") -> dict[str, Any]:
    """A configuration with one route to ``upstream``; ``text`` is YAML: settings of that route, or top-level ones."""
    given: dict[str, Any] = YAML(typ="safe").load(text) or {}
    route: dict[str, Any] = {
        "name": "api",
        "upstream": {"url": f"http://127.0.0.1:{upstream.port}", **upstream.settings},
    }
    if store.startswith("memory"):  # It writes nothing down, and says so to whoever would have that sealed.
        given.pop("encryption", None)
    for part in ("match", "upstream", "policy", "calls"):
        route[part] = {**route.get(part, {}), **given.pop(part, {})}
    routes = given.pop("routes", [])
    return {
        "listen": "127.0.0.1:0",
        "admin": {"listen": "127.0.0.1:0"},
        "routes": [*routes, route],
        **given,
        **_store(store),
    }


def _store(url: str) -> dict[str, Any]:
    return {"store": {"sqlite": url.removeprefix("sqlite:///")}} if url.startswith("sqlite") else {}


@contextmanager
def playing(upstream: Upstream, store: str, folder: Path, text: str = "") -> Generator[Stage]:
    """A gateway with one route to ``upstream``; two URLs are tiered."""
    file = folder / "gateway.yaml"
    with file.open("w") as out:
        YAML().dump(configuration(upstream, store, text), out)
    options = {} if store.startswith("sqlite") else {"store": store.split()}
    with playing_file(upstream, file, options) as stage:
        yield stage


@contextmanager
def playing_file(upstream: Upstream, file: Path, options: Mapping[str, object]) -> Generator[Stage]:
    """A gateway in a thread with a loop of its own, from the configuration to the orderly end."""
    settings = load(file, options, {})
    logs.configure("json", "critical")
    started: Future[tuple[Running, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def live() -> None:
        stop = asyncio.Event()
        try:
            running = await Running.start(settings)
        except BaseException as fault:
            started.set_exception(fault)
            raise
        started.set_result((running, asyncio.get_running_loop(), stop))
        await stop.wait()
        await running.stop()

    thread = threading.Thread(target=_quietly, args=(lambda: uvloop.run(live()),))
    thread.start()
    running, loop, stop = started.result(TIMEOUT)
    described = asyncio.run_coroutine_threadsafe(running.describe(), loop).result(TIMEOUT)
    port, admin_port = (int(url.rpartition(":")[2]) for url in (described.listen, described.admin))
    with ThreadPoolExecutor(256) as pool:
        try:
            yield Stage(upstream, running, port, admin_port, pool, loop)
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join(TIMEOUT)


def _quietly(run: Callable[[], None]) -> None:
    """A gateway that does not start says so through the future, not on the thread's standard error."""
    with suppress(Exception):
        run()
