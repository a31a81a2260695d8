"""Bodies over HTTP/2, both ways: by windows, of one call without holding up the others, never finished by a failure."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes

from gateway.errors import OutcomeUnknown
from gateway.proxying.answer import UNREAD
from tests.http2upstream import Conversation, Http2Upstream
from tests.proxying.conftest import Run
from tests.proxying.conversation import asking
from tests.proxying.over_http2 import OK, hopping, target, whole
from tests.upstream import Logged, Play, answer, running_upstream

LARGE = bytes(range(256)) * 8192


async def _pieces(size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(LARGE), size):
        yield LARGE[at : at + size]


@pytest.mark.parametrize(
    ("settings", "largest"),
    [
        ({SettingCodes.INITIAL_WINDOW_SIZE: 5000}, 5000),
        ({SettingCodes.INITIAL_WINDOW_SIZE: 1 << 24, SettingCodes.MAX_FRAME_SIZE: 1 << 20}, 16384),
    ],
    ids=["small windows", "large frames, which would keep other calls waiting"],
)
def test_a_large_body_goes_as_the_upstream_lets_it_in(
    run: Run, peer: Http2Upstream, settings: dict[SettingCodes, int], largest: int
) -> None:
    async def conversation() -> None:
        peer.settings_of_it = settings
        peer.then(Play(OK, then="keep"), Play(OK, then="keep"))
        async with hopping() as hop:
            to = target(peer.port)
            for body, length in ((_pieces(100_000), None), ([LARGE], len(LARGE))):
                assert await whole(hop, to, asking(body=body, length=length)) == b"ok"
        assert [logged.body == LARGE for logged in peer.log] == [True, True]
        assert [logged.all("content-length") for logged in peer.log] == [[], [str(len(LARGE))]]
        assert 0 < peer.largest <= largest

    run(conversation())


def test_a_large_answer_that_nobody_reads_makes_its_own_upstream_wait_and_no_other_call(
    run: Run, peer: Http2Upstream
) -> None:
    async def conversation() -> None:
        peer.then(Play(answer(200, LARGE), then="keep"), Play(OK, then="keep"), Play(OK, then="keep"))
        async with hopping() as hop:
            to = target(peer.port)
            heard = await hop.send(to, asking())
            for _ in range(2):
                assert await whole(hop, to, asking()) == b"ok"
            # As much as may lie unread, and the window that was opened when there was just less than that.
            assert 0 < heard.reading.buffered <= 2 * UNREAD < len(LARGE)
            assert await heard.whole(1000) is None
            assert b"".join([piece async for piece in heard.stream()]) == LARGE
        assert peer.connections == 1

    run(conversation())


def test_an_answer_that_is_left_or_stands_still_ends_its_stream_and_no_other(run: Run, peer: Http2Upstream) -> None:
    def begins(talk: Conversation, stream: int, _: Logged) -> bool:
        talk.engine.send_headers(stream, [(b":status", b"200")])
        talk.engine.send_data(stream, b"begun")
        return True

    async def conversation() -> None:
        async with hopping() as hop:
            to = target(peer.port, idle=0.05)
            peer.misbehave = begins
            left = await hop.send(to, asking())
            left.close()
            stands_still = await hop.send(to, asking())
            stream = stands_still.stream()
            assert await anext(stream) == b"begun"
            with pytest.raises(OutcomeUnknown) as fault:
                await anext(stream)
            assert fault.value.timed_out
            peer.misbehave = None
            peer.then(Play(OK, then="keep"))
            assert await whole(hop, to, asking()) == b"ok"
            assert (peer.resets, peer.connections) == ([ErrorCodes.CANCEL] * 2, 1)

    run(conversation())


async def _fails() -> AsyncIterator[bytes]:
    yield b"half"
    raise ValueError("of its own")


async def _is_cancelled() -> AsyncIterator[bytes]:
    yield b"half"
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("body", "length", "fault"),
    [
        (_fails, None, ValueError),
        (_is_cancelled, None, OutcomeUnknown),
        (lambda: _pieces(100_000), len(LARGE) + 1, OutcomeUnknown),
        (lambda: _pieces(100_000), len(LARGE) - 1, OutcomeUnknown),
    ],
    ids=["fails", "is cancelled", "shorter than declared", "longer than declared"],
)
def test_a_body_that_fails_half_way_never_looks_finished(
    run: Run, peer: Http2Upstream, body: type[AsyncIterator[bytes]], length: int | None, fault: type[Exception]
) -> None:
    async def conversation() -> None:
        async with hopping() as hop:
            to = target(peer.port)
            with pytest.raises(fault):
                await hop.send(to, asking(body=body(), length=length))
            peer.then(Play(OK, then="keep"))
            assert await whole(hop, to, asking(target=b"/next")) == b"ok"
        assert [logged.line for logged in peer.log] == ["POST /next HTTP/2"]
        assert (peer.resets, peer.connections) == ([ErrorCodes.CANCEL], 1)

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
