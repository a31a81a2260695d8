"""Laws A2 and A4: answers that nobody reads, that stand still, that are closed or left before their end."""

import asyncio
from contextlib import aclosing

import pytest

from gateway.errors import OutcomeUnknown
from gateway.proxying.answer import UNREAD
from tests.proxying.conftest import Run
from tests.proxying.conversation import OK, asking, hopping
from tests.proxying.upstream import Line, Script, replies, serving

HEAD = b"HTTP/1.1 200 OK\r\n"


def test_a_large_answer_that_nobody_reads_makes_the_upstream_wait(run: Run) -> None:
    size = 64 * 1024 * 1024

    async def conversation() -> None:
        said = 0
        stuck = asyncio.Event()

        async def floods(line: Line) -> None:
            nonlocal said
            await line.request()
            await line.say(HEAD + b"Content-Length: %d\r\n\r\n" % size)
            while said < size:
                saying = asyncio.ensure_future(line.say(bytes(65536)))
                done, _ = await asyncio.wait([saying], timeout=0.3)
                if not done:
                    stuck.set()
                await saying
                said += 65536
            await line.hung_up()

        async with serving(floods) as upstream, hopping() as hop:
            answer = await hop.send(upstream.target(), asking())
            await stuck.wait()
            assert said < size / 2
            assert answer.reading.buffered < 4 * UNREAD
            assert sum([len(piece) async for piece in answer.stream()]) == size

    run(conversation())


def test_a_stream_that_stands_still_is_unknown_and_timed_out(run: Run) -> None:
    async def conversation() -> None:
        async def stalls(line: Line) -> None:
            await line.request()
            await line.say(HEAD + b"Content-Length: 9\r\n\r\nhalf")
            await line.hung_up()

        async with serving(stalls) as upstream, hopping() as hop:
            answer = await hop.send(upstream.target(idle=0.05), asking())
            pieces = answer.stream()
            assert await anext(pieces) == b"half"
            with pytest.raises(OutcomeUnknown) as fault:
                await anext(pieces)
            assert (fault.value.reason, fault.value.timed_out) == ("idle-timeout", True)

    run(conversation())


def _half(left: asyncio.Event) -> Script:
    async def script(line: Line) -> None:
        await line.request()
        await line.say(HEAD + b"Content-Length: 9\r\n\r\nhalf")
        await line.hung_up()
        left.set()

    return script


def test_closing_an_answer_before_its_end_ends_the_connection(run: Run) -> None:
    async def conversation() -> None:
        left = asyncio.Event()
        async with serving(_half(left)) as upstream, hopping() as hop:
            answer = await hop.send(upstream.target(), asking())
            answer.close()
            answer.close()
            await left.wait()
            with pytest.raises(OutcomeUnknown):
                await answer.whole(100)

    run(conversation())


def test_leaving_a_stream_early_ends_the_connection(run: Run) -> None:
    async def conversation() -> None:
        left = asyncio.Event()
        async with serving(_half(left)) as upstream, hopping() as hop:
            answer = await hop.send(upstream.target(), asking())
            async with aclosing(answer.stream()) as pieces:
                assert await anext(pieces) == b"half"
            await left.wait()

    run(conversation())


def test_cancelling_the_reading_of_a_body_ends_the_connection(run: Run) -> None:
    async def conversation() -> None:
        left = asyncio.Event()
        async with serving(_half(left)) as upstream, hopping() as hop:
            answer = await hop.send(upstream.target(), asking())
            reading = asyncio.create_task(answer.whole(100))
            await asyncio.sleep(0)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            await left.wait()

    run(conversation())


def test_closing_a_whole_answer_does_not_disturb_the_next_call_on_its_connection(run: Run) -> None:
    async def conversation() -> None:
        async with serving(replies(OK, OK)) as upstream, hopping() as hop:
            target = upstream.target()
            first = await hop.send(target, asking())
            second = asyncio.create_task(hop.send(target, asking()))
            await asyncio.sleep(0)
            first.close()
            assert await (await second).whole(10) == b"ok"
            assert await first.whole(10) == b"ok"
            assert len(upstream.lines) == 1

    run(conversation())
