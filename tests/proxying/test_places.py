"""How many connections a route may have, and who waits for one; what a closed hop does."""

import asyncio

import pytest

from gateway.errors import NotSent
from gateway.proxying.hop import Hop
from tests.proxying.conftest import Run
from tests.proxying.conversation import OK, asking, hopping
from tests.proxying.upstream import Line, replies, serving

OTHER = OK.replace(b"ok", b"no")


def test_a_call_beyond_the_bound_waits_and_gets_the_connection_that_is_left(run: Run) -> None:
    async def conversation() -> None:
        asked, go = asyncio.Event(), asyncio.Event()

        async def waits(line: Line) -> None:
            await line.request()
            asked.set()
            await go.wait()
            await line.say(OK)
            await replies(OTHER)(line)

        async with serving(waits) as upstream, hopping() as hop:
            target = upstream.target(max_connections=1)
            first = asyncio.create_task(hop.send(target, asking()))
            second = asyncio.create_task(hop.send(target, asking()))
            await asked.wait()
            assert len(upstream.requests) == 1
            go.set()
            assert await (await first).whole(10) == b"ok"
            assert await (await second).whole(10) == b"no"
            assert len(upstream.lines) == 1

    run(conversation())


def test_a_call_beyond_the_bound_gets_the_place_of_a_connection_that_ended(run: Run) -> None:
    async def conversation() -> None:
        closing = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        async with serving(replies(closing)) as upstream, hopping() as hop:
            target = upstream.target(max_connections=2)
            answers = await asyncio.gather(*(hop.send(target, asking()) for _ in range(20)))
            assert [await answer.whole(10) for answer in answers] == [b"ok"] * 20
            assert len(upstream.lines) == 20

    run(conversation())


def test_a_call_for_which_no_place_comes_free_in_time_was_not_sent(run: Run) -> None:
    async def conversation() -> None:
        asked = asyncio.Event()

        async def hangs(line: Line) -> None:
            await line.request()
            asked.set()
            await line.hung_up()

        async with serving(hangs, replies(OK)) as upstream, hopping() as hop:
            target = upstream.target(max_connections=1, connect=0.1)
            first = asyncio.create_task(hop.send(target, asking()))
            await asked.wait()
            with pytest.raises(NotSent) as fault:
                await hop.send(target, asking())
            assert fault.value.reason == "pool-full"
            assert len(upstream.requests) == 1
            first.cancel()
            await asyncio.wait([first])
            assert await (await hop.send(target, asking())).whole(10) == b"ok"

    run(conversation())


def test_a_cancelled_wait_for_a_place_loses_none(run: Run) -> None:
    async def conversation() -> None:
        go = asyncio.Event()

        async def waits(line: Line) -> None:
            await line.request()
            await go.wait()
            await line.say(OK)
            await replies(OK, OK)(line)

        async with serving(waits) as upstream, hopping() as hop:
            target = upstream.target(max_connections=1)
            calls = [asyncio.create_task(hop.send(target, asking())) for _ in range(3)]
            await asyncio.sleep(0)
            calls[1].cancel()
            go.set()
            assert await (await calls[0]).whole(10) == b"ok"
            assert await (await calls[2]).whole(10) == b"ok"
            assert await (await hop.send(target, asking())).whole(10) == b"ok"

    run(conversation())


def test_a_wait_cancelled_when_its_connection_was_already_handed_over_gives_it_back(run: Run) -> None:
    async def conversation() -> None:
        async with serving(replies(OK)) as upstream, hopping() as hop:
            target = upstream.target(max_connections=1)
            pool = hop.open(target)
            connection = await pool.obtain()
            waiting = asyncio.create_task(pool.obtain())
            await asyncio.sleep(0)
            pool.recycle(connection)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert pool.take() is connection
            connection.drop()

    run(conversation())


def test_a_closed_hop_has_ended_its_idle_connections_and_sends_no_more(run: Run) -> None:
    async def conversation() -> None:
        left = asyncio.Event()

        async def leaves(line: Line) -> None:
            await replies(OK)(line)
            left.set()

        async with serving(leaves) as upstream:
            hop = Hop()
            target = upstream.target()
            await (await hop.send(target, asking())).whole(10)
            await hop.close()
            await left.wait()
            with pytest.raises(NotSent) as fault:
                await hop.send(target, asking())
            assert fault.value.reason == "draining"

    run(conversation())
