"""Law U4 and the pool: which connections are used again, which never are, and how many there may be."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.proxying.hop import Hop
from tests.proxying.conftest import Run
from tests.proxying.conversation import OK, asking, hopping
from tests.proxying.upstream import Line, replies, serving

OTHER = OK.replace(b"ok", b"no")


def test_a_connection_carries_one_call_after_the_other(run: Run) -> None:
    async def conversation() -> None:
        async with serving(replies(OK, OTHER, OK)) as upstream, hopping() as hop:
            target = upstream.target()
            bodies = [await (await hop.send(target, asking())).whole(10) for _ in range(3)]
            assert bodies == [b"ok", b"no", b"ok"]
            assert len(upstream.lines) == 1

    run(conversation())


def test_the_connection_left_last_is_used_first(run: Run) -> None:
    async def conversation() -> None:
        async with serving(replies(OK, OK), replies(OK, OTHER)) as upstream, hopping() as hop:
            target = upstream.target()
            first, second = await asyncio.gather(hop.open(target).obtain(), hop.open(target).obtain())
            for connection in (first, second):
                hop.open(target).recycle(connection)
            assert hop.open(target).take() is second

    run(conversation())


@pytest.mark.parametrize("extra", [b"\r\n", OTHER, b"\0"])
def test_bytes_in_the_same_segment_after_an_answer_never_reach_another_caller(run: Run, extra: bytes) -> None:
    async def conversation() -> None:
        async with serving(replies(OK + extra), replies(OK)) as upstream, hopping() as hop:
            target = upstream.target()
            for _ in range(2):
                assert await (await hop.send(target, asking())).whole(10) == b"ok"
            assert len(upstream.lines) == 2

    run(conversation())


async def _after_one_answer(hop: Hop, act: Callable[[Line], None], *, seen: bool) -> bytes | None:
    """Lets the upstream ``act`` on an idle connection, the loop having seen it or not, and makes the next call."""
    left = asyncio.Event()

    async def first(line: Line) -> None:
        await line.request()
        await line.say(OK)
        await line.hung_up()
        left.set()

    async with serving(first, replies(OK)) as upstream:
        target = upstream.target()
        await (await hop.send(target, asking())).whole(10)
        act(upstream.lines[0])
        if seen:
            await left.wait()
        body = await (await hop.send(target, asking())).whole(10)
        assert len(upstream.lines) == 2
        assert len(upstream.requests) == 2
        return body


@pytest.mark.parametrize("seen", [True, False])
def test_bytes_that_nobody_asked_for_end_an_idle_connection(run: Run, *, seen: bool) -> None:
    async def conversation() -> None:
        async with hopping() as hop:
            assert await _after_one_answer(hop, lambda line: line.say_now(OTHER), seen=seen) == b"ok"

    run(conversation())


@pytest.mark.parametrize("seen", [True, False])
def test_a_connection_closed_while_idle_is_not_used(run: Run, *, seen: bool) -> None:
    async def conversation() -> None:
        async with hopping() as hop:
            assert await _after_one_answer(hop, Line.finish, seen=seen) == b"ok"

    run(conversation())


def test_a_connection_reset_while_idle_is_not_used(run: Run) -> None:
    async def conversation() -> None:
        go, gone = asyncio.Event(), asyncio.Event()

        async def resets(line: Line) -> None:
            await line.request()
            await line.say(OK)
            await go.wait()
            line.reset()
            gone.set()

        async with serving(resets, replies(OK)) as upstream, hopping() as hop:
            target = upstream.target()
            await (await hop.send(target, asking())).whole(10)
            go.set()
            await gone.wait()
            assert await (await hop.send(target, asking())).whole(10) == b"ok"
            assert len(upstream.lines) == 2

    run(conversation())


@pytest.mark.parametrize(
    "answer",
    [
        OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
        OK.replace(b"\r\n\r\n", b"\r\nConnection: X, CLOSE\r\nConnection: keep-alive\r\n\r\n"),
        OK.replace(b"HTTP/1.1", b"HTTP/1.0"),
    ],
)
def test_an_answer_that_ends_the_connection_ends_it(run: Run, answer: bytes) -> None:
    async def conversation() -> None:
        async with serving(replies(answer, OTHER), replies(OK)) as upstream, hopping() as hop:
            target = upstream.target()
            for _ in range(2):
                assert await (await hop.send(target, asking())).whole(10) == b"ok"
            assert len(upstream.lines) == 2

    run(conversation())


def test_http_1_0_keeps_a_connection_only_where_it_says_so(run: Run) -> None:
    async def conversation() -> None:
        old = b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nok"
        async with serving(replies(old, OK)) as upstream, hopping() as hop:
            target = upstream.target()
            for _ in range(2):
                assert await (await hop.send(target, asking())).whole(10) == b"ok"
            assert len(upstream.lines) == 1

    run(conversation())


def test_without_keep_alive_a_connection_carries_one_call_and_says_so(run: Run) -> None:
    async def conversation() -> None:
        async with serving(replies(OK, OTHER)) as upstream, hopping() as hop:
            target = upstream.target(keep_alive=0)
            for _ in range(2):
                assert await (await hop.send(target, asking())).whole(10) == b"ok"
            assert len(upstream.lines) == 2
            assert b"\r\nConnection: close\r\n" in upstream.requests[0]

    run(conversation())


def test_an_idle_connection_is_retired_by_itself(run: Run) -> None:
    async def conversation() -> None:
        left = asyncio.Event()

        async def leaves(line: Line) -> None:
            await replies(OK)(line)
            left.set()

        async with serving(leaves) as upstream, hopping() as hop:
            await (await hop.send(upstream.target(keep_alive=0.02), asking())).whole(10)
            await left.wait()

    run(conversation())


def test_a_connection_past_its_keep_alive_is_not_used_even_before_it_is_retired(run: Run) -> None:
    class Clock:
        now = 0.0

        def monotonic(self) -> float:
            return self.now

    async def conversation() -> None:
        clock = Clock()
        async with serving(replies(OK, OTHER), replies(OK)) as upstream:
            hop = Hop(clock)
            target = upstream.target(keep_alive=30)
            await (await hop.send(target, asking())).whole(10)
            clock.now = 30.0
            assert await (await hop.send(target, asking())).whole(10) == b"ok"
            assert len(upstream.lines) == 2
            await hop.close()

    run(conversation())


def test_two_routes_with_equal_targets_share_no_connection(run: Run) -> None:
    async def conversation() -> None:
        async with serving(replies(OK, OTHER), replies(OK)) as upstream, hopping() as hop:
            one = upstream.target()
            other = replace(one)
            assert one == other
            for target in (one, other):
                assert await (await hop.send(target, asking())).whole(10) == b"ok"
            assert len(upstream.lines) == 2

    run(conversation())


@pytest.mark.parametrize("field", [b"Content-Length: 5", b"Transfer-Encoding: chunked"])
def test_an_answer_without_a_body_that_speaks_of_one_ends_its_connection(run: Run, field: bytes) -> None:
    async def conversation() -> None:
        late = b"HTTP/1.1 204 No Content\r\n" + field + b"\r\n\r\n"
        async with serving(replies(late, OTHER), replies(OK)) as upstream, hopping() as hop:
            target = upstream.target()
            assert await (await hop.send(target, asking())).whole(10) == b""
            assert await (await hop.send(target, asking())).whole(10) == b"ok"
            assert len(upstream.lines) == 2

    run(conversation())
