"""Answers over HTTP/2, good and bad: laws U4 and A1 to A4 once more, and what breaks the rules of frames."""

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import cast

import pytest

from gateway.errors import OutcomeUnknown
from gateway.ports import Outgoing
from tests.http2upstream import Conversation, Http2Upstream
from tests.proxying.conftest import Run
from tests.proxying.conversation import asking
from tests.proxying.over_http2 import OK, frame, hopping, says, target, whole
from tests.upstream import Logged, Play, running_upstream

DATA, HEADERS, PING, PUSH, CONTINUATION = 0, 1, 6, 5, 9


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
    run: Run, peer: Http2Upstream, fields: list[tuple[bytes, bytes]]
) -> None:
    async def conversation() -> None:
        peer.misbehave = says(*fields)
        async with hopping() as hop:
            to = target(peer.port)
            with pytest.raises(OutcomeUnknown) as fault:
                await hop.send(to, asking())
            assert fault.value.reason == "malformed"
            peer.misbehave = None
            peer.then(Play(OK))
            assert await whole(hop, to, asking()) == b"ok"
        assert (len(peer.log), peer.connections) == (2, 1)

    run(conversation())


def test_an_answer_that_would_change_the_protocol_is_refused(run: Run, peer: Http2Upstream) -> None:
    def misbehave(talk: Conversation, stream: int, _: Logged) -> bool:
        talk.engine.send_headers(stream, [(b":status", b"101")])
        return True

    async def conversation() -> None:
        peer.misbehave = misbehave
        async with hopping() as hop:
            with pytest.raises(OutcomeUnknown) as fault:
                await hop.send(target(peer.port), asking())
            assert fault.value.reason == "malformed"

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
    run: Run, peer: Http2Upstream, target_of_it: bytes
) -> None:
    async def conversation() -> None:
        peer.misbehave = _short
        async with hopping() as hop:
            heard = await hop.send(target(peer.port), asking(target=target_of_it))
            with pytest.raises(OutcomeUnknown) as fault:
                await heard.whole(100)
            assert fault.value.reason == "cut"
        assert len(peer.log) == 1

    run(conversation())


def test_trailers_and_informational_answers_are_dropped_and_a_head_has_no_body(run: Run, peer: Http2Upstream) -> None:
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
        peer.misbehave = misbehave
        async with hopping() as hop:
            to = target(peer.port)
            heard = await hop.send(to, asking())
            assert (heard.status, heard.headers, await heard.whole(10)) == (200, ((b"x-a", b"1"),), b"ok")
            none = await hop.send(to, Outgoing("HEAD", b"/", ()))
            assert (none.length, await none.whole(10)) == (0, b"")

    run(conversation())


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param(lambda stream: frame(DATA, 1, stream, b"body"), id="a body before its head"),
        pytest.param(lambda stream: frame(DATA, 1, stream + 2, b"body"), id="a stream that nobody opened"),
        pytest.param(lambda stream: frame(PUSH, 4, stream, b"\x00\x00\x00\x02\x88"), id="a push"),
        pytest.param(
            # An entry of 4 KiB in the table, and a byte for each time that it is meant.
            lambda stream: frame(HEADERS, 5, stream, b"\x88\x40\x01a\x7f\x81\x1e" + b"b" * 4000 + b"\xbe" * 9000),
            id="a head that unpacks to 36 MB",
        ),
        pytest.param(
            lambda stream: frame(HEADERS, 0, stream, b"\x88") + frame(CONTINUATION, 0, stream, b"") * 100,
            id="a head that goes on and on",
        ),
        pytest.param(lambda _: b"\x00\x40\x01" + frame(DATA, 0, 1, b"")[3:], id="a frame larger than any may be"),
    ],
)
def test_an_upstream_that_breaks_the_rules_of_frames_loses_its_connection(
    run: Run, peer: Http2Upstream, frames: Callable[[int], bytes]
) -> None:
    def misbehave(talk: Conversation, stream: int, _: Logged) -> bool:
        talk.writer.write(frames(stream))
        return True

    async def conversation() -> None:
        peer.misbehave = misbehave
        async with hopping() as hop:
            to = target(peer.port)
            with pytest.raises(OutcomeUnknown) as fault:
                await hop.send(to, asking())
            assert fault.value.reason == "malformed"
            peer.misbehave = None
            peer.then(Play(OK))
            assert await whole(hop, to, asking()) == b"ok"
        assert (len(peer.log), peer.connections) == (2, 2)

    run(conversation())


def test_an_upstream_that_pings_and_reads_no_answers_is_given_up(run: Run) -> None:
    class Pinging(Http2Upstream):
        pinging, heard = threading.Event(), threading.Event()

        async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            writer.write(frame(4, 0, 0, b""))
            await reader.readuntil(b"pay")
            cast("asyncio.Transport", writer.transport).pause_reading()
            self.left.set()
            await asyncio.to_thread(self.pinging.wait, 20)
            with suppress(ConnectionError):
                for _ in range(200):
                    writer.write(frame(PING, 0, 0, b"12345678") * 1024)
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
