"""Requests over HTTP/2, from the first byte on: laws U1 to U3 and U5 once more."""

import asyncio
from datetime import timedelta

import pytest

from gateway.errors import NotSent
from gateway.policies.reconciling import Question, Told
from gateway.ports import Outgoing
from gateway.ports import Upstream as Port
from gateway.proxying.client import HttpInquirer
from gateway.proxying.http2.hop import Http2Hop
from tests.http2upstream import Http2Upstream
from tests.proxying.conftest import Run
from tests.proxying.conversation import asking
from tests.proxying.over_http2 import OK, hopping, target, whole
from tests.upstream import Play


def test_the_hop_over_http2_is_an_upstream() -> None:
    port: Port = Http2Hop()
    assert port is not None


def test_a_request_has_its_fields_in_order_less_those_of_a_connection(run: Run, peer: Http2Upstream) -> None:
    async def conversation() -> None:
        peer.then(Play(OK))
        async with hopping() as hop:
            fields = (
                (b"X-One", b"1"),
                (b"TE", b"trailers"),
                (b"x-two", b" 2"),
                (b"Keep-Alive", b"5"),
                (b"X-One", b"3"),
            )
            request = asking("POST", (b"pa", b"y"), headers=fields, target=b"/charges?a=%20b")
            assert await whole(hop, target(peer.port), request) == b"ok"
        (logged,) = peer.log
        assert (logged.line, logged.body) == ("POST /charges?a=%20b HTTP/2", b"pay")
        host = ("host", f"127.0.0.1:{peer.port}")
        assert logged.headers == (host, ("x-one", "1"), ("x-two", "2"), ("x-one", "3"), ("content-length", "3"))

    run(conversation())


def test_nothing_of_a_caller_stays_in_the_table_of_fields_that_calls_share(run: Run, peer: Http2Upstream) -> None:
    """RFC 7541, section 7.1: sizes on the wire would tell who has guessed it."""

    async def conversation() -> None:
        peer.then(Play(OK, then="keep"))
        fields = ((b"Authorization", b"s"), (b"X-Api-Key", b"s"), (b"Cookie", b"c=" + b"s" * 30), (b"accept", b"a/b"))
        async with hopping() as hop:
            to = target(peer.port)
            await hop.send(to, asking(headers=fields, target=b"/pay?secret"))
            table = hop.open(to)._connections[0].traffic.engine.encoder.header_table.dynamic_entries
            assert {name for name, _ in table} == {b":authority", b"accept"}
        assert set(peer.log[0].headers) >= {(name.decode().lower(), value.decode()) for name, value in fields}

    run(conversation())


@pytest.mark.parametrize(
    "outgoing",
    [
        asking("PO ST"),
        asking(target=b"/a b"),
        asking(target=b""),
        asking(headers=((b"A", b"b\r\nc: d"),)),
        asking(headers=((b"A", b"b\x00"),)),
        asking(headers=((b":path", b"/elsewhere"),)),
        asking(headers=((b"Host", b"elsewhere"),)),
        asking(headers=((b"content-length", b"3"),)),
        asking(body=(b"four",), length=3),
    ],
)
def test_a_request_that_would_say_more_than_it_should_is_not_sent(
    run: Run, peer: Http2Upstream, outgoing: Outgoing
) -> None:
    async def conversation() -> None:
        async with hopping() as hop:
            with pytest.raises(NotSent) as fault:
                await hop.send(target(peer.port), outgoing)
            assert fault.value.reason == "invalid-request"
        assert peer.connections == 0

    run(conversation())


class _Ticking:
    """A clock on which every look takes a second."""

    now = 0.0

    def monotonic(self) -> float:
        self.now += 1
        return self.now


def test_the_dispatch_deadline_is_looked_at_before_the_first_byte(run: Run, peer: Http2Upstream) -> None:
    async def conversation() -> None:
        hop = Http2Hop(_Ticking())
        told: list[int] = []
        with pytest.raises(NotSent) as fault:
            await hop.send(target(peer.port), asking(), dispatch_by=1, on_dispatch=lambda: told.append(1))
        assert (fault.value.reason, told, peer.log) == ("dispatch-deadline", [], [])
        peer.then(Play(OK))
        to = target(peer.port, keep_alive=1e6)
        heard = await hop.send(to, asking(), dispatch_by=1e6, on_dispatch=lambda: told.append(len(peer.log)))
        assert (await heard.whole(10), told) == (b"ok", [0])
        await hop.close()

    run(conversation())


def test_a_question_is_asked_in_http2_too(peer: Http2Upstream) -> None:
    async def asked() -> object:
        to = target(peer.port)
        inquirer = HttpInquirer()
        try:
            return await inquirer.ask(to, Question("GET", f"{to.origin}/c?a=b", (), timedelta(seconds=5)), 100)
        finally:
            await inquirer.close()

    peer.then(Play(OK))
    heard = asyncio.run(asked())
    assert isinstance(heard, Told)
    assert (heard.body, peer.log[0].line) == (b"ok", "GET /c?a=b HTTP/2")
