"""Frames that break the rules of HTTP/2: their connection ends, with every call on it that has no whole answer."""

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import cast

import pytest

from gateway.errors import OutcomeUnknown
from tests.http2upstream import Conversation, Http2Upstream
from tests.proxying.conftest import Run
from tests.proxying.conversation import asking
from tests.proxying.over_http2 import OK, frame, hopping, target, whole
from tests.upstream import Logged, Play, running_upstream

DATA, HEADERS, PING, PUSH, CONTINUATION = 0, 1, 6, 5, 9


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


def test_an_answer_that_came_whole_is_taken_whatever_comes_behind_it(run: Run, peer: Http2Upstream) -> None:
    def misbehave(talk: Conversation, stream: int, _: Logged) -> bool:
        talk.engine.send_headers(stream, [(b":status", b"200")])
        talk.engine.send_data(stream, b"ok", end_stream=True)
        # In one segment: an answer to a call that nobody made.
        talk.writer.write(talk.engine.data_to_send() + frame(DATA, 1, stream + 2, b"extra"))
        return True

    async def conversation() -> None:
        peer.misbehave = misbehave
        async with hopping() as hop:
            to = target(peer.port)
            assert await whole(hop, to, asking()) == b"ok"
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
