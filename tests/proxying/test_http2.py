"""The hop over HTTP/2: laws U1 to U5 and A1 to A4 once more, and what is new: calls that share a connection.

The upstream is ``tests.http2upstream``, in a thread of its own; it logs a request before it answers.
"""

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest
import trustme
from h2.errors import ErrorCodes

from gateway.errors import NotSent, OutcomeUnknown
from gateway.policies.reconciling import Question, Told
from gateway.policies.routing import Target, Timeouts, Tls
from gateway.ports import Outgoing
from gateway.ports import Upstream as Port
from gateway.proxying.client import HttpInquirer
from gateway.proxying.http2.connection import MOST_CALLS
from gateway.proxying.http2.hop import Http2Hop
from tests.http2upstream import Conversation, Http2Upstream
from tests.proxying.conftest import Run
from tests.proxying.conversation import asking
from tests.proxying.test_tls import Authority
from tests.proxying.upstream import Line, replies, serving
from tests.upstream import Logged, Play, answer, running_upstream

OK = answer(200, b"ok")
Misbehaviour = Callable[[Conversation, int, Logged], bool]


@pytest.fixture
def upstream() -> Iterator[Http2Upstream]:
    with running_upstream(kind=Http2Upstream) as running:
        assert isinstance(running, Http2Upstream)
        yield running


def target(port: int, *, connect: float = 5, keep_alive: float = 30, most: int = 256) -> Target:
    return Target(
        "http",
        "127.0.0.1",
        port,
        timeouts=Timeouts(connect=timedelta(seconds=connect), idle=timedelta(seconds=5)),
        keep_alive=timedelta(seconds=keep_alive),
        max_connections=most,
        http2=True,
    )


@asynccontextmanager
async def hopping() -> AsyncGenerator[Http2Hop, None]:
    hop = Http2Hop()
    try:
        yield hop
    finally:
        await hop.close()


async def whole(hop: Http2Hop, to: Target, request: Outgoing) -> bytes | None:
    return await (await hop.send(to, request)).whole(1 << 20)


def test_the_hop_over_http2_is_an_upstream() -> None:
    port: Port = Http2Hop()
    assert port is not None


def test_a_request_has_its_fields_in_order_less_those_of_a_connection(run: Run, upstream: Http2Upstream) -> None:
    async def conversation() -> None:
        upstream.then(Play(OK))
        async with hopping() as hop:
            fields = (
                (b"X-One", b"1"),
                (b"TE", b"trailers"),
                (b"x-two", b" 2"),
                (b"Keep-Alive", b"5"),
                (b"X-One", b"3"),
            )
            request = asking("POST", (b"pa", b"y"), headers=fields, target=b"/charges?a=%20b")
            assert await whole(hop, target(upstream.port), request) == b"ok"
        (logged,) = upstream.log
        assert (logged.line, logged.body) == ("POST /charges?a=%20b HTTP/2", b"pay")
        host = ("host", f"127.0.0.1:{upstream.port}")
        assert logged.headers == (host, ("x-one", "1"), ("x-two", "2"), ("x-one", "3"), ("content-length", "3"))

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
    run: Run, upstream: Http2Upstream, outgoing: Outgoing
) -> None:
    async def conversation() -> None:
        async with hopping() as hop:
            with pytest.raises(NotSent) as fault:
                await hop.send(target(upstream.port), outgoing)
            assert fault.value.reason == "invalid-request"
        assert upstream.connections == 0

    run(conversation())


def test_calls_share_a_connection_and_more_are_opened_where_it_is_full(run: Run, upstream: Http2Upstream) -> None:
    async def conversation() -> None:
        gate = threading.Event()
        calls = 2 * MOST_CALLS
        upstream.by_key = lambda _, number: Play(answer(200, b"%d" % number), then="keep", gate=gate)
        upstream.allows = 20
        async with hopping() as hop:
            to = target(upstream.port)
            under_way = [asyncio.create_task(whole(hop, to, asking(target=b"/%d" % n))) for n in range(calls)]
            await asyncio.to_thread(upstream.wait_for, 40)  # As many as its threads for gates allow.
            gate.set()
            bodies = await asyncio.gather(*under_way)
            assert len({*bodies}) == calls, "each has its own answer"
            assert await whole(hop, to, asking()) is not None
        assert 2 < upstream.connections <= 4, "20 calls each, at most"
        assert len({logged.line for logged in upstream.log}) == calls + 1

    run(conversation())


def test_a_lost_connection_loses_each_of_its_calls_and_sends_none_again(run: Run, upstream: Http2Upstream) -> None:
    async def conversation() -> None:
        def loses(talk: Conversation, _: int, __: Logged) -> bool:
            if len(upstream.log) == 3:
                talk.reset()
            return True

        upstream.misbehave = loses
        async with hopping() as hop:
            to = target(upstream.port)
            heard = await asyncio.gather(*(hop.send(to, asking()) for _ in range(3)), return_exceptions=True)
            assert [type(each) for each in heard] == [OutcomeUnknown] * 3
            upstream.misbehave = None
            upstream.then(Play(OK))
            assert await whole(hop, to, asking()) == b"ok"
        assert (len(upstream.log), upstream.connections) == (4, 2)

    run(conversation())


def _refuses(talk: Conversation, stream: int, _: Logged) -> bool:
    talk.engine.reset_stream(stream, ErrorCodes.REFUSED_STREAM)
    return True


def _goes_away(last: int) -> Misbehaviour:
    def misbehave(talk: Conversation, _: int, __: Logged) -> bool:
        talk.engine.close_connection(last_stream_id=last)
        return True

    return misbehave


def _gives_up(talk: Conversation, stream: int, _: Logged) -> bool:
    talk.engine.reset_stream(stream, ErrorCodes.INTERNAL_ERROR)
    return True


@pytest.mark.parametrize(
    ("misbehave", "reason"), [(_refuses, "refused-stream"), (_goes_away(0), "going-away"), (_gives_up, "reset")]
)
def test_what_an_upstream_says_that_it_did_not_process_is_unknown_and_not_sent_again(
    run: Run, upstream: Http2Upstream, misbehave: Misbehaviour, reason: str
) -> None:
    """The upstream has it in its log: whoever says so may have acted all the same."""

    async def conversation() -> None:
        upstream.misbehave = misbehave
        async with hopping() as hop:
            with pytest.raises(OutcomeUnknown) as fault:
                await hop.send(target(upstream.port), asking())
            assert fault.value.reason == reason
        assert len(upstream.log) == 1

    run(conversation())


def test_an_upstream_that_goes_away_in_order_still_answers_and_gets_no_new_call(
    run: Run, upstream: Http2Upstream
) -> None:
    async def conversation() -> None:
        gate = threading.Event()

        def leaving(talk: Conversation, stream: int, logged: Logged) -> bool:
            if logged.line.startswith("POST /first"):
                # By hand: h2's server could not answer after a farewell of its own either.
                talk.writer.write(b"\x00\x00\x08\x07\x00\x00\x00\x00\x00" + stream.to_bytes(4) + b"\x00" * 4)
            return False

        upstream.misbehave = leaving
        upstream.then(Play(OK, then="keep", gate=gate), Play(answer(200, b"second")))
        async with hopping() as hop:
            to = target(upstream.port)
            first = asyncio.create_task(whole(hop, to, asking(target=b"/first")))
            await asyncio.to_thread(upstream.wait_for, 1)
            pool = hop.open(to)
            while pool.take() is not None:  # until the farewell has come
                pool._connections[0].release()
                await asyncio.sleep(0.01)
            assert await whole(hop, to, asking(target=b"/second")) == b"second"
            gate.set()
            assert await first == b"ok"
        assert (len(upstream.log), upstream.connections) == (2, 2)

    run(conversation())


def _says(*fields: tuple[bytes, bytes]) -> Misbehaviour:
    def misbehave(talk: Conversation, stream: int, _: Logged) -> bool:
        talk.engine.send_headers(stream, fields, end_stream=True)
        return True

    return misbehave


@pytest.mark.parametrize(
    "fields",
    [
        [(b"x-a", b"1")],
        [(b":status", b"abc")],
        [(b":status", b"600")],
        [(b":status", b"200"), (b":path", b"/")],
        [(b":status", b"200"), (b"x-a", b"1\r\nset-cookie: a=b")],
        [(b":status", b"200"), (b"x-a", b" 1")],
        [(b":status", b"200"), (b"x a", b"1")],
        [(b":status", b"200"), (b"connection", b"close")],
        [(b":status", b"200"), (b"transfer-encoding", b"chunked")],
        [(b":status", b"200"), *[(b"x-a", b"1")] * 201],
    ],
)
def test_a_head_that_cannot_be_read_in_one_way_is_refused_and_is_its_own_calls_matter(
    run: Run, upstream: Http2Upstream, fields: list[tuple[bytes, bytes]]
) -> None:
    async def conversation() -> None:
        upstream.misbehave = _says(*fields)
        async with hopping() as hop:
            to = target(upstream.port)
            with pytest.raises(OutcomeUnknown) as fault:
                await hop.send(to, asking())
            assert fault.value.reason == "malformed"
            upstream.misbehave = None
            upstream.then(Play(OK))
            assert await whole(hop, to, asking()) == b"ok"
        assert (len(upstream.log), upstream.connections) == (2, 1)

    run(conversation())


def _short(talk: Conversation, stream: int, logged: Logged) -> bool:
    """Three bytes of the ten that it declares, and an end of stream where h2 does not count: at the head, or after."""
    talk.engine.send_headers(
        stream, [(b":status", b"200"), (b"content-length", b"10")], end_stream="/head" in logged.line
    )
    if "/trailers" in logged.line:
        talk.engine.send_data(stream, b"abc")
        talk.engine.send_headers(stream, [(b"x-trailer", b"1")], end_stream=True)
    return True


@pytest.mark.parametrize("target_of_it", [b"/head", b"/trailers"])
def test_an_answer_shorter_than_it_declares_is_cut_wherever_its_stream_ends(
    run: Run, upstream: Http2Upstream, target_of_it: bytes
) -> None:
    async def conversation() -> None:
        upstream.misbehave = _short
        async with hopping() as hop:
            heard = await hop.send(target(upstream.port), asking(target=target_of_it))
            with pytest.raises(OutcomeUnknown) as fault:
                await heard.whole(100)
            assert fault.value.reason == "cut"
        assert len(upstream.log) == 1

    run(conversation())


def test_trailers_and_informational_answers_are_dropped_and_a_head_has_no_body(
    run: Run, upstream: Http2Upstream
) -> None:
    def misbehave(talk: Conversation, stream: int, logged: Logged) -> bool:
        talk.engine.send_headers(stream, [(b":status", b"103"), (b"link", b"</a>")])
        if logged.line.startswith("HEAD"):
            fields = [(b":status", b"200"), (b"content-length", b"5")]
            talk.engine.send_headers(stream, fields, end_stream=True)
        else:
            talk.engine.send_headers(stream, [(b":status", b"200"), (b"x-a", b"1")])
            talk.engine.send_data(stream, b"ok")
            talk.engine.send_headers(stream, [(b"x-trailer", b"1")], end_stream=True)
        return True

    async def conversation() -> None:
        upstream.misbehave = misbehave
        async with hopping() as hop:
            to = target(upstream.port)
            heard = await hop.send(to, asking())
            assert (heard.status, heard.headers, await heard.whole(10)) == (200, ((b"x-a", b"1"),), b"ok")
            none = await hop.send(to, Outgoing("HEAD", b"/", ()))
            assert (none.length, await none.whole(10)) == (0, b"")

    run(conversation())


def _frame(kind: int, flags: int, stream: int, content: bytes) -> bytes:
    return len(content).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + content


_DATA, _HEADERS, _PING, _PUSH, _CONTINUATION = 0, 1, 6, 5, 9


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param(lambda stream: _frame(_DATA, 1, stream, b"body"), id="a body before its head"),
        pytest.param(lambda stream: _frame(_DATA, 1, stream + 2, b"body"), id="a stream that nobody opened"),
        pytest.param(lambda stream: _frame(_PUSH, 4, stream, b"\x00\x00\x00\x02\x88"), id="a push"),
        pytest.param(
            # An entry of 4 KiB in the table, and a byte for each time that it is meant.
            lambda stream: _frame(_HEADERS, 5, stream, b"\x88\x40\x01a\x7f\x81\x1e" + b"b" * 4000 + b"\xbe" * 9000),
            id="a head that unpacks to 36 MB",
        ),
        pytest.param(
            lambda stream: _frame(_HEADERS, 0, stream, b"\x88") + _frame(_CONTINUATION, 0, stream, b"") * 100,
            id="a head that goes on and on",
        ),
        pytest.param(lambda _: b"\x00\x40\x01" + _frame(_DATA, 0, 1, b"")[3:], id="a frame larger than any may be"),
    ],
)
def test_an_upstream_that_breaks_the_rules_of_frames_loses_its_connection(
    run: Run, upstream: Http2Upstream, frames: Callable[[int], bytes]
) -> None:
    def misbehave(talk: Conversation, stream: int, _: Logged) -> bool:
        talk.writer.write(frames(stream))
        return True

    async def conversation() -> None:
        upstream.misbehave = misbehave
        async with hopping() as hop:
            to = target(upstream.port)
            with pytest.raises(OutcomeUnknown) as fault:
                await hop.send(to, asking())
            assert fault.value.reason == "malformed"
            upstream.misbehave = None
            upstream.then(Play(OK))
            assert await whole(hop, to, asking()) == b"ok"
        assert (len(upstream.log), upstream.connections) == (2, 2)

    run(conversation())


def test_an_upstream_that_pings_and_reads_no_answers_is_given_up(run: Run) -> None:
    class Pinging(Http2Upstream):
        pinging, heard = threading.Event(), threading.Event()

        async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            writer.write(_frame(4, 0, 0, b""))
            await reader.readuntil(b"pay")
            cast("asyncio.Transport", writer.transport).pause_reading()
            self.left.set()
            await asyncio.to_thread(self.pinging.wait, 20)
            with suppress(ConnectionError):
                for _ in range(200):
                    writer.write(_frame(_PING, 0, 0, b"12345678") * 1024)
                    await writer.drain()
                await asyncio.to_thread(self.heard.wait, 20)
            writer.transport.abort()

    async def conversation(upstream: Http2Upstream) -> None:
        async with hopping() as hop:
            to = target(upstream.port)
            call = asyncio.create_task(hop.send(to, asking()))
            await asyncio.to_thread(upstream.left.wait, 20)
            (connection,) = hop.open(to)._connections
            # What the machine itself keeps for the upstream would take as many pings as it has room.
            connection._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            Pinging.pinging.set()
            with pytest.raises(OutcomeUnknown) as fault:
                await call
            Pinging.heard.set()
            assert fault.value.reason == "malformed"

    with running_upstream(kind=Pinging) as upstream:
        assert isinstance(upstream, Pinging)
        run(conversation(upstream))


def test_cancelling_send_ends_its_stream_and_nobody_elses(run: Run, upstream: Http2Upstream) -> None:
    async def conversation() -> None:
        gate = threading.Event()
        upstream.then(Play(OK, then="keep", gate=gate), Play(OK, then="keep", gate=gate))
        async with hopping() as hop:
            to = target(upstream.port)
            given_up, other = (asyncio.create_task(whole(hop, to, asking())) for _ in range(2))
            await asyncio.to_thread(upstream.wait_for, 2)
            given_up.cancel()
            with pytest.raises(asyncio.CancelledError):
                await given_up
            await asyncio.to_thread(upstream.left.wait, 20)
            assert upstream.resets == [ErrorCodes.CANCEL]
            gate.set()
            assert await other == b"ok"

    run(conversation())


def test_a_large_body_goes_as_the_upstream_lets_it_in_and_a_large_answer_as_it_is_read(
    run: Run, upstream: Http2Upstream
) -> None:
    async def conversation() -> None:
        large = bytes(range(256)) * 8192
        upstream.then(Play(answer(200, large), then="keep"))

        async def pieces() -> AsyncIterator[bytes]:
            for at in range(0, len(large), 100_000):
                yield large[at : at + 100_000]

        async with hopping() as hop:
            heard = await hop.send(target(upstream.port), asking(body=pieces()))
            assert await heard.whole(1000) is None
            assert b"".join([piece async for piece in heard.stream()]) == large
        assert upstream.log[0].body == large

    run(conversation())


def test_an_early_answer_to_a_body_that_nobody_reads_is_taken(run: Run) -> None:
    """A server that answers after the head and lets no more in than it must."""

    class Early(Http2Upstream):
        async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            talk = Conversation(self, reader, writer)
            talk.engine.initiate_connection()
            talk.flush()
            answered = False
            while data := await reader.read(65536):
                for event in talk.engine.receive_data(data):
                    if type(event).__name__ == "RequestReceived" and not answered:
                        answered = True
                        talk.engine.send_headers(1, [(b":status", b"413")], end_stream=True)
                talk.flush()
            writer.close()

    async def conversation(port: int) -> None:
        async with hopping() as hop:
            heard = await hop.send(target(port), asking(body=[b"x" * 65536] * 64))
            assert (heard.status, await heard.whole(10)) == (413, b"")

    with running_upstream(kind=Early) as upstream:
        run(conversation(upstream.port))


class _Ticking:
    """A clock on which every look takes a second."""

    now = 0.0

    def monotonic(self) -> float:
        self.now += 1
        return self.now


def test_the_dispatch_deadline_is_looked_at_before_the_first_byte(run: Run, upstream: Http2Upstream) -> None:
    async def conversation() -> None:
        hop = Http2Hop(_Ticking())
        told: list[int] = []
        with pytest.raises(NotSent) as fault:
            await hop.send(target(upstream.port), asking(), dispatch_by=1, on_dispatch=lambda: told.append(1))
        assert (fault.value.reason, told, upstream.log) == ("dispatch-deadline", [], [])
        upstream.then(Play(OK))
        to = target(upstream.port, keep_alive=1e6)
        heard = await hop.send(to, asking(), dispatch_by=1e6, on_dispatch=lambda: told.append(len(upstream.log)))
        assert (await heard.whole(10), told) == (b"ok", [0])
        await hop.close()

    run(conversation())


def test_an_upstream_that_is_full_is_told_of_nothing(run: Run, upstream: Http2Upstream) -> None:
    async def conversation() -> None:
        gate = threading.Event()
        upstream.allows = 1
        upstream.then(Play(OK, then="keep", gate=gate))
        async with hopping() as hop:
            to = target(upstream.port, connect=0.3, most=1)
            first = asyncio.create_task(whole(hop, to, asking()))
            await asyncio.to_thread(upstream.wait_for, 1)
            with pytest.raises(NotSent) as fault:
                await hop.send(to, asking())
            assert fault.value.reason == "pool-full"
            gate.set()
            assert await first == b"ok"
        assert len(upstream.log) == 1

    run(conversation())


def test_what_speaks_no_http2_was_not_sent_to(run: Run, unused_port: int) -> None:
    async def silent(line: Line) -> None:
        await line.hung_up()

    async def hangs_up(line: Line) -> None:
        await line.readable()

    async def conversation() -> None:
        cases = [
            (replies(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "http2"),
            (hangs_up, "http2"),
            (silent, "connect-timeout"),
        ]
        for script, reason in cases:
            async with serving(script) as other, hopping() as hop:
                with pytest.raises(NotSent) as fault:
                    await hop.send(target(other.port, connect=0.3 if script is silent else 5), asking())
                assert fault.value.reason == reason
        async with hopping() as hop:
            waiting = [hop.send(target(unused_port), asking()) for _ in range(3)]
            heard = await asyncio.gather(*waiting, return_exceptions=True)
            assert [getattr(each, "reason", None) for each in heard] == ["refused"] * 3

    run(conversation())


@pytest.mark.parametrize("agreed", ["h2", "http/1.1", ""])
def test_over_tls_both_sides_have_to_agree_on_http2(run: Run, tmp_path: Path, agreed: str) -> None:
    authority = Authority(trustme.CA(), tmp_path)
    context: ssl.SSLContext = authority.server()
    if agreed:
        context.set_alpn_protocols([agreed])

    async def conversation(upstream: Http2Upstream) -> None:
        secure = Target("https", "127.0.0.1", upstream.port, tls=Tls(authority.trust), http2=True)
        async with hopping() as hop:
            if agreed == "h2":
                upstream.then(Play(OK))
                assert await whole(hop, secure, asking()) == b"ok"
                return
            with pytest.raises(NotSent) as fault:
                await hop.send(secure, asking())
            assert fault.value.reason == "http2" or (agreed, fault.value.reason) == ("http/1.1", "tls")
        assert upstream.log == []

    with running_upstream(kind=Http2Upstream, context=context) as running:
        assert isinstance(running, Http2Upstream)
        run(conversation(running))


def test_a_connection_is_not_used_past_its_keep_alive_and_none_is_shared(run: Run, upstream: Http2Upstream) -> None:
    async def conversation() -> None:
        async with hopping() as hop:
            one, other, once = target(upstream.port), target(upstream.port), target(upstream.port, keep_alive=0)
            for to in (one, one, other, once, once):
                upstream.then(Play(OK, then="keep"))
                assert await whole(hop, to, asking()) == b"ok"
            assert upstream.connections == 4

    run(conversation())


def test_a_question_is_asked_in_http2_too(upstream: Http2Upstream) -> None:
    async def asked() -> object:
        to = target(upstream.port)
        inquirer = HttpInquirer()
        try:
            return await inquirer.ask(to, Question("GET", f"{to.origin}/c?a=b", (), timedelta(seconds=5)), 100)
        finally:
            await inquirer.close()

    upstream.then(Play(OK))
    heard = asyncio.run(asked())
    assert isinstance(heard, Told)
    assert (heard.body, upstream.log[0].line) == (b"ok", "GET /c?a=b HTTP/2")
