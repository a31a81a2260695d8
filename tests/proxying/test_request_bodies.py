"""How request bodies go out: whole, streamed by length, streamed in chunks; early answers and bodies that fail."""

import asyncio
from collections.abc import AsyncIterator, Iterable

import pytest

from gateway.errors import OutcomeUnknown
from gateway.proxying.bodies import SMALL
from tests.proxying.conftest import Run
from tests.proxying.conversation import OK, asking, hopping
from tests.proxying.upstream import Line, replies, serving


async def _streaming(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        await asyncio.sleep(0)
        yield piece


def _body(request: bytes) -> bytes:
    return request.partition(b"\r\n\r\n")[2]


def test_a_stream_of_unknown_length_goes_in_chunks_and_an_empty_piece_does_not_end_it(run: Run) -> None:
    async def conversation() -> None:
        async with serving(replies(OK, OK)) as upstream, hopping() as hop:
            target = upstream.target()
            answer = await hop.send(target, asking(body=_streaming([b"wiki", b"", b"0123456789"])))
            assert await answer.whole(10) == b"ok"
            assert b"\r\nTransfer-Encoding: chunked\r\n" in upstream.requests[0]
            assert b"Content-Length" not in upstream.requests[0]
            assert _body(upstream.requests[0]) == b"4\r\nwiki\r\na\r\n0123456789\r\n0\r\n\r\n"
            assert await (await hop.send(target, asking())).whole(10) == b"ok"
            assert len(upstream.lines) == 1

    run(conversation())


def test_a_stream_of_known_length_goes_by_its_length(run: Run) -> None:
    async def conversation() -> None:
        async with serving(replies(OK)) as upstream, hopping() as hop:
            await hop.send(upstream.target(), asking(body=_streaming([b"wi", b"ki"]), length=4))
            assert b"\r\nContent-Length: 4\r\n\r\nwiki" in upstream.requests[0]

    run(conversation())


@pytest.mark.parametrize("size", [SMALL, SMALL + 1, 8 * 1024 * 1024])
def test_a_whole_body_of_any_size_arrives_as_it_is(run: Run, size: int) -> None:
    async def conversation() -> None:
        body = [bytes([n % 251]) * 1000 for n in range(size // 1000)]
        async with serving(replies(OK)) as upstream, hopping() as hop:
            answer = await hop.send(upstream.target(), asking(body=body))
            assert await answer.whole(10) == b"ok"
            assert _body(upstream.requests[0]) == b"".join(body)

    run(conversation())


def test_a_body_that_can_be_read_once_goes_by_its_declared_length(run: Run) -> None:
    async def conversation() -> None:
        async with serving(replies(OK)) as upstream, hopping() as hop:
            once = iter([b"x" * 50_000] * 4)
            await hop.send(upstream.target(), asking(body=once, length=200_000))
            assert _body(upstream.requests[0]) == b"x" * 200_000

    run(conversation())


@pytest.mark.parametrize("length", [3, 5])
def test_a_stream_that_is_not_as_long_as_declared_ends_the_connection_and_is_unknown(run: Run, length: int) -> None:
    async def conversation() -> None:
        async def reads(line: Line) -> None:
            await line.hung_up()

        async with serving(reads) as upstream, hopping() as hop:
            with pytest.raises(OutcomeUnknown) as fault:
                await hop.send(upstream.target(), asking(body=_streaming([b"wi", b"ki"]), length=length))
            assert fault.value.reason == "request-length"

    run(conversation())


class _DownstreamGone(Exception):
    """What the source of a body raises in these tests."""


def test_a_stream_that_fails_half_way_raises_as_it_is_and_never_looks_finished(run: Run) -> None:
    async def conversation() -> None:
        heard: list[bytes] = []
        left = asyncio.Event()

        async def failing() -> AsyncIterator[bytes]:
            yield b"wiki"
            raise _DownstreamGone

        async def listens(line: Line) -> None:
            heard.append(await line.everything())
            left.set()

        async with serving(listens) as upstream, hopping() as hop:
            with pytest.raises(_DownstreamGone):
                await hop.send(upstream.target(), asking(body=failing()))
            await left.wait()
            assert b"4\r\nwiki\r\n" in heard[0]
            assert not heard[0].endswith(b"0\r\n\r\n")

    run(conversation())


def test_a_stream_whose_source_is_cancelled_is_unknown(run: Run) -> None:
    async def conversation() -> None:
        async def cancelled() -> AsyncIterator[bytes]:
            yield b"wiki"
            raise asyncio.CancelledError

        async with serving(Line.hung_up) as upstream, hopping() as hop:
            with pytest.raises(OutcomeUnknown) as fault:
                await hop.send(upstream.target(), asking(body=cancelled()))
            assert fault.value.reason == "request-cut"

    run(conversation())


def test_an_early_answer_is_taken_and_ends_the_writing_and_the_connection(run: Run) -> None:
    async def conversation() -> None:
        stopped = asyncio.Event()

        async def endless() -> AsyncIterator[bytes]:
            try:
                yield b"wiki"
                await asyncio.Event().wait()
            finally:
                stopped.set()

        async def refuses(line: Line) -> None:
            await line.readable()
            await line.say(OK)
            await line.hung_up()

        async with serving(refuses, replies(OK)) as upstream, hopping() as hop:
            target = upstream.target()
            answer = await hop.send(target, asking(body=endless()))
            assert await answer.whole(10) == b"ok"
            await stopped.wait()
            assert await (await hop.send(target, asking())).whole(10) == b"ok"
            assert len(upstream.lines) == 2

    run(conversation())


def test_an_early_answer_to_a_large_body_that_nobody_reads_is_taken(run: Run) -> None:
    async def conversation() -> None:
        async def refuses(line: Line) -> None:
            await line.readable()
            await line.say(OK)
            await line.hung_up()

        async with serving(refuses) as upstream, hopping() as hop:
            body = [b"x" * 65536] * 1024
            answer = await hop.send(upstream.target(), asking(body=body))
            assert await answer.whole(10) == b"ok"

    run(conversation())


def test_an_interim_answer_does_not_end_the_writing(run: Run) -> None:
    async def conversation() -> None:
        continued = asyncio.Event()

        async def waiting() -> AsyncIterator[bytes]:
            yield b"wi"
            await continued.wait()
            yield b"ki"

        async def continues(line: Line) -> None:
            await line.readable()
            await line.say(b"HTTP/1.1 100 Continue\r\n\r\n")
            continued.set()
            await line.request()
            await line.say(OK)
            await line.hung_up()

        async with serving(continues) as upstream, hopping() as hop:
            await hop.send(upstream.target(), asking(body=waiting()))
            assert _body(upstream.requests[0]) == b"2\r\nwi\r\n2\r\nki\r\n0\r\n\r\n"

    run(conversation())


def test_a_stream_is_written_no_faster_than_the_upstream_takes_it(run: Run) -> None:
    async def conversation() -> None:
        taken = 0
        go = asyncio.Event()

        async def much() -> AsyncIterator[bytes]:
            nonlocal taken
            for _ in range(512):
                yield bytes(65536)
                taken += 1

        async def slow(line: Line) -> None:
            await line.readable()
            await go.wait()
            await line.request()
            await line.say(OK)
            await line.hung_up()

        async with serving(slow) as upstream, hopping() as hop:
            sending = asyncio.create_task(hop.send(upstream.target(), asking(body=much())))
            seen = -1
            while seen != taken or not taken:
                seen = taken
                await asyncio.sleep(0.05)
            assert taken < 256
            go.set()
            assert await (await sending).whole(10) == b"ok"

    run(conversation())


def test_an_upstream_that_resets_while_a_body_is_written_is_unknown(run: Run) -> None:
    async def conversation() -> None:
        async def resets(line: Line) -> None:
            await line.readable()
            line.reset()

        async with serving(resets) as upstream, hopping() as hop:
            with pytest.raises(OutcomeUnknown) as fault:
                await hop.send(upstream.target(), asking(body=[b"x" * 65536] * 256))
            assert fault.value.reason == "reset"

    run(conversation())
