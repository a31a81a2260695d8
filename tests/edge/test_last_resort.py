"""A fault that nobody foresaw is answered by the gateway while that is possible, and told once."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import pytest

from gateway.edge.app import Edge, Face
from gateway.edge.listener import Listener, bind
from gateway.edge.wire import GuardedProtocol
from gateway.policies.policy import Policy
from gateway.policies.routing import Match, Route, RouteTable, Target
from gateway.ports import Outgoing
from gateway.protocol.fingerprint import Digester
from gateway.protocol.headers import Headers
from gateway.protocol.observations import InternalFault, Observation
from gateway.runner.exchanges import Exchanges, Ports
from gateway.stores.memory import MemoryStore
from gateway.wiring.stores import LocalClock
from tests.raw import exchange
from tests.stage import Heard, call

TARGET = Target("http", "127.0.0.1", 9)


class Seen(list[Observation]):
    def observe(self, observation: Observation) -> None:
        self.append(observation)


class Broken:
    """An answer that fails in a way that no port allows, from its second piece on."""

    status = 200
    headers: Headers = ()
    length = None
    length_unverified = False

    def at_hand(self) -> bytes | None:
        return None

    async def whole(self, limit: int) -> bytes | None:
        raise ZeroDivisionError(limit)

    async def stream(self) -> AsyncGenerator[bytes, None]:
        yield b"begun"
        raise ZeroDivisionError

    def close(self) -> None:
        pass


class BrokenUpstream:
    def __init__(self, send: Callable[[], Broken]) -> None:
        self._send = send

    async def send(self, target: Target, request: Outgoing, **_: object) -> Broken:
        assert (target, request.method) == (TARGET, "GET")
        return self._send()

    async def close(self) -> None:
        pass


def never() -> Broken:
    raise ZeroDivisionError


@asynccontextmanager
async def listening(send: Callable[[], Broken], seen: Seen) -> AsyncGenerator[int]:
    upstream, store = BrokenUpstream(send), await MemoryStore.open()
    routes = RouteTable([Route("api", Match(), TARGET, Policy(namespace="n"))])
    exchanges = Exchanges(Ports(store, upstream, seen, LocalClock()))
    edge = Edge(routes, exchanges, upstream, seen, Digester(b"k" * 32), Face())
    listener = Listener(edge, bind("127.0.0.1", 0, "listen"), GuardedProtocol)
    await listener.start()
    yield int(listener.address.rpartition(":")[2])
    await listener.stop(1)


def test_an_unforeseen_fault_is_a_problem_of_the_gateway_and_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    seen = Seen()

    async def play() -> Heard:
        async with listening(never, seen) as port:
            return await asyncio.to_thread(call, port, "GET", "/", [], None)

    heard = asyncio.run(play())
    assert heard.told == "500 unavailable internal-fault"
    assert heard.get("idempotency-origin") == "gateway"
    assert [type(found.fault) for found in seen if isinstance(found, InternalFault)] == [ZeroDivisionError]
    assert [record for record in caplog.records if record.exc_info] == []


def test_once_an_answer_has_begun_a_fault_ends_its_connection(caplog: pytest.LogCaptureFixture) -> None:
    seen = Seen()

    async def play() -> bytes:
        async with listening(Broken, seen) as port:
            return await asyncio.to_thread(exchange, port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")

    heard = asyncio.run(play())
    assert heard.endswith(b"begun\r\n"), "no last chunk: it does not look whole"
    assert heard.count(b"HTTP/1.1 ") == 1
    assert [type(found.fault) for found in seen if isinstance(found, InternalFault)] == [ZeroDivisionError]
    assert [record for record in caplog.records if record.exc_info] == []
