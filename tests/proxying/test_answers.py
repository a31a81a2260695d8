"""Laws A1 to A4: what an answer is, when it is whole, that a cut one never ends quietly, and what closing ends."""

import asyncio

import pytest

from gateway.errors import OutcomeUnknown
from gateway.ports import Answer
from tests.proxying.conftest import Run
from tests.proxying.conversation import OK, asking, hopping
from tests.proxying.upstream import Line, Script, replies, serving

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n4;x=y\r\nwiki\r\nA\r\n0123456789\r\n0\r\nX-Late: 1\r\n\r\n"


def test_headers_come_as_they_came_and_informational_answers_are_skipped(run: Run) -> None:
    async def conversation() -> None:
        informational = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        answer_ = (
            b"HTTP/1.1 201 Created\r\nX-b: 1\r\nConnection: X-b\r\nx-A:  2 \r\nX-B: 3\r\nContent-Length: 0\r\n\r\n"
        )
        async with serving(replies(informational + answer_)) as upstream, hopping() as hop:
            answer: Answer = await hop.send(upstream.target(), asking())
            fields = (
                (b"X-b", b"1"),
                (b"Connection", b"X-b"),
                (b"x-A", b"2"),
                (b"X-B", b"3"),
                (b"Content-Length", b"0"),
            )
            assert (answer.status, answer.headers, answer.length) == (201, fields, 0)
            assert await answer.whole(0) == b""

    run(conversation())


def test_a_chunked_answer_has_its_content_and_its_trailers_are_dropped(run: Run) -> None:
    async def conversation() -> None:
        async with serving(replies(CHUNKED)) as upstream, hopping() as hop:
            answer = await hop.send(upstream.target(), asking())
            assert (answer.length, answer.length_unverified) == (None, False)
            assert await answer.whole(100) == b"wiki0123456789"
            assert answer.headers == ((b"Transfer-Encoding", b"chunked"),)

    run(conversation())


@pytest.mark.parametrize(
    ("method", "head"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        ("HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("HEAD", b"HTTP/1.1 200 OK\r\n\r\n"),
        ("POST", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("POST", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
    ],
)
def test_an_answer_without_a_body_is_whole_with_its_head_and_keeps_its_connection(
    run: Run, method: str, head: bytes
) -> None:
    async def conversation() -> None:
        async with serving(replies(head, OK)) as upstream, hopping() as hop:
            target = upstream.target()
            answer = await hop.send(target, asking(method, None))
            assert (answer.length, await answer.whole(0)) == (0, b"")
            assert await (await hop.send(target, asking())).whole(10) == b"ok"
            assert len(upstream.lines) == 1

    run(conversation())


def test_an_answer_that_ends_with_its_connection_is_taken_and_marked(run: Run) -> None:
    async def conversation() -> None:
        async def closes(line: Line) -> None:
            await line.request()
            await line.say(HEAD + b"\r\nall of it")
            line.finish()
            await line.hung_up()

        async with serving(closes) as upstream, hopping() as hop:
            answer = await hop.send(upstream.target(), asking())
            assert (answer.length, answer.length_unverified) == (None, True)
            assert await answer.whole(100) == b"all of it"

    run(conversation())


def test_a_reset_is_no_end_of_an_answer_that_ends_with_its_connection(run: Run) -> None:
    async def conversation() -> None:
        go = asyncio.Event()

        async def resets(line: Line) -> None:
            await line.request()
            await line.say(HEAD + b"\r\nnot all of it")
            await go.wait()
            line.reset()

        async with serving(resets) as upstream, hopping() as hop:
            answer = await hop.send(upstream.target(), asking())
            go.set()
            with pytest.raises(OutcomeUnknown) as fault:
                await answer.whole(100)
            assert fault.value.reason == "reset"

    run(conversation())


def _cut_after(data: bytes) -> Script:
    async def script(line: Line) -> None:
        await line.request()
        await line.say(data)
        line.finish()
        await line.hung_up()

    return script


@pytest.mark.parametrize("answer", [OK, CHUNKED])
def test_an_answer_cut_at_any_byte_is_unknown(run: Run, answer: bytes) -> None:
    async def conversation() -> None:
        cuts = [_cut_after(answer[:end]) for end in range(len(answer))]
        async with serving(*cuts) as upstream, hopping() as hop:
            target = upstream.target()
            for end in range(len(answer)):
                with pytest.raises(OutcomeUnknown) as fault:
                    await (await hop.send(target, asking())).whole(100)
                assert fault.value.reason == ("cut" if end else "closed"), end
            assert len(upstream.requests) == len(answer)

    run(conversation())


def test_a_cut_stream_gives_what_came_and_then_raises(run: Run) -> None:
    async def conversation() -> None:
        async with serving(_cut_after(HEAD + b"Content-Length: 9\r\n\r\nhalf")) as upstream, hopping() as hop:
            answer = await hop.send(upstream.target(), asking())
            pieces = answer.stream()
            assert await anext(pieces) == b"half"
            with pytest.raises(OutcomeUnknown) as fault:
                await anext(pieces)
            assert fault.value.reason == "cut"

    run(conversation())


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 10\r\n\r\n0123456789", CHUNKED.partition(b"\r\n")[2], b"\r\n0123456789"]
)
def test_an_answer_longer_than_the_limit_is_not_whole_and_can_be_streamed_from_its_beginning(
    run: Run, framing: bytes
) -> None:
    async def conversation() -> None:
        async with serving(_cut_after(HEAD + framing)) as upstream, hopping() as hop:
            answer = await hop.send(upstream.target(), asking())
            assert await answer.whole(9) is None
            streamed = b"".join([piece async for piece in answer.stream()])
            assert streamed in (b"0123456789", b"wiki0123456789")

    run(conversation())


def test_the_limit_itself_is_allowed(run: Run) -> None:
    async def conversation() -> None:
        async with serving(replies(OK)) as upstream, hopping() as hop:
            answer = await hop.send(upstream.target(), asking())
            assert await answer.whole(2) == b"ok"

    run(conversation())


def test_a_dripped_answer_is_whole(run: Run) -> None:
    async def conversation() -> None:
        async def drips(line: Line) -> None:
            await line.request()
            for byte in CHUNKED:
                await line.say(bytes([byte]))
                await asyncio.sleep(0)
            await line.hung_up()

        async with serving(drips) as upstream, hopping() as hop:
            answer = await hop.send(upstream.target(), asking())
            assert await answer.whole(100) == b"wiki0123456789"

    run(conversation())
