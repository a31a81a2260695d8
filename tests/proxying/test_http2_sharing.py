"""Calls that share connections: how many, for how long, and what one that is given up does to the others."""

import asyncio
import threading

import pytest
from h2.errors import ErrorCodes

from gateway.errors import NotSent
from gateway.proxying.http2.hop import Http2Hop
from gateway.proxying.http2.places import MOST_CALLS
from tests.http2upstream import Http2Upstream
from tests.proxying.conftest import Run
from tests.proxying.conversation import asking
from tests.proxying.over_http2 import OK, frame, hopping, target, whole
from tests.upstream import Play, answer, running_upstream


def test_calls_share_a_connection_and_more_are_opened_where_it_is_full(run: Run, peer: Http2Upstream) -> None:
    async def conversation() -> None:
        gate = threading.Event()
        calls = 2 * MOST_CALLS
        peer.by_key = lambda _, number: Play(answer(200, b"%d" % number), then="keep", gate=gate)
        peer.allows = 20
        async with hopping() as hop:
            to = target(peer.port)
            under_way = [asyncio.create_task(whole(hop, to, asking(target=b"/%d" % n))) for n in range(calls)]
            await asyncio.to_thread(peer.wait_for, calls)
            gate.set()
            bodies = await asyncio.gather(*under_way)
            assert len({*bodies}) == calls, "each has its own answer"
            assert await whole(hop, to, asking()) is not None
        assert peer.connections == 4, "20 calls each, at most"
        assert len({logged.line for logged in peer.log}) == calls + 1

    run(conversation())


@pytest.mark.parametrize(("keep_alive", "opening"), [(30, 2), (0, MOST_CALLS + 1)])
def test_as_many_are_opened_at_once_as_those_who_wait_may_fill(
    run: Run, peer: Http2Upstream, keep_alive: float, opening: int
) -> None:
    async def conversation() -> None:
        peer.by_key = lambda _, __: Play(OK, then="keep")
        async with hopping() as hop:
            to = target(peer.port, keep_alive=keep_alive)
            calls = [asyncio.create_task(whole(hop, to, asking())) for _ in range(MOST_CALLS + 1)]
            await asyncio.sleep(0)
            assert len(hop.open(to)._opening) == opening
            assert await asyncio.gather(*calls) == [b"ok"] * len(calls)

    run(conversation())


def test_an_upstream_that_is_full_is_told_of_nothing(run: Run, peer: Http2Upstream) -> None:
    async def conversation() -> None:
        gate = threading.Event()
        peer.allows = 1
        peer.then(Play(OK, then="keep", gate=gate))
        async with hopping() as hop:
            to = target(peer.port, connect=0.3, most=1)
            first = asyncio.create_task(whole(hop, to, asking()))
            await asyncio.to_thread(peer.wait_for, 1)
            with pytest.raises(NotSent) as fault:
                await hop.send(to, asking())
            assert fault.value.reason == "pool-full"
            gate.set()
            assert await first == b"ok"
        assert len(peer.log) == 1

    run(conversation())


def test_cancelling_send_ends_its_stream_and_nobody_elses(run: Run, peer: Http2Upstream) -> None:
    async def conversation() -> None:
        gate = threading.Event()
        peer.then(Play(OK, then="keep", gate=gate), Play(OK, then="keep", gate=gate))
        async with hopping() as hop:
            to = target(peer.port)
            given_up, other = (asyncio.create_task(whole(hop, to, asking())) for _ in range(2))
            await asyncio.to_thread(peer.wait_for, 2)
            given_up.cancel()
            with pytest.raises(asyncio.CancelledError):
                await given_up
            await asyncio.to_thread(peer.left.wait, 20)
            assert peer.resets == [ErrorCodes.CANCEL]
            gate.set()
            assert await other == b"ok"

    run(conversation())


class _Standing:
    """A clock that goes when it is told to."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.mark.parametrize("most", [1, 2])
def test_a_connection_that_has_been_silent_takes_no_more_calls_before_there_is_a_sign_of_life(
    run: Run, peer: Http2Upstream, most: int
) -> None:
    """An upstream that is gone would take all of them with it. Where there may be one more, that is used instead."""

    async def conversation() -> None:
        gate, clock = threading.Event(), _Standing()
        peer.then(Play(OK, then="keep"), Play(OK, then="keep", gate=gate), Play(OK, then="keep"))
        hop, to = Http2Hop(clock), target(peer.port, most=most)
        assert await whole(hop, to, asking()) == b"ok"
        slow = asyncio.create_task(whole(hop, to, asking()))
        await asyncio.to_thread(peer.wait_for, 2)
        clock.now += 31
        assert hop.open(to).take() is None
        assert await whole(hop, to, asking()) == b"ok"
        assert peer.connections == most
        gate.set()
        assert await slow == b"ok"
        await hop.close()

    run(conversation())


class _Gone(Http2Upstream):
    """Its first connection opens, and is never heard of again; it hangs up on nobody."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.connections:
            await super().serve(reader, writer)
            return
        self.connections += 1
        writer.write(frame(4, 0, 0, b""))
        await reader.readuntil(b"pay")
        self.left.set()
        await reader.read()
        writer.close()


def test_an_upstream_that_is_gone_takes_no_call_after_the_one_that_is_given_up(run: Run) -> None:
    async def conversation(upstream: Http2Upstream) -> None:
        clock = _Standing()
        hop, to = Http2Hop(clock), target(upstream.port)
        lost = asyncio.create_task(hop.send(to, asking()))
        await asyncio.to_thread(upstream.left.wait, 20)
        clock.now += 31
        lost.cancel()
        with pytest.raises(asyncio.CancelledError):
            await lost
        upstream.then(Play(OK))
        assert await whole(hop, to, asking()) == b"ok"
        assert upstream.connections == 2
        await hop.close()

    with running_upstream(kind=_Gone) as upstream:
        assert isinstance(upstream, _Gone)
        run(conversation(upstream))


def test_where_tls_was_exchanged_a_connection_that_stands_takes_no_more_calls(run: Run, peer: Http2Upstream) -> None:
    async def conversation() -> None:
        async with hopping() as hop:
            to = target(peer.port)
            for _ in range(2):
                await whole(hop, to, asking())
            gate = threading.Event()
            peer.then(Play(OK, then="keep", gate=gate))
            under_way = asyncio.create_task(whole(hop, to, asking()))
            await asyncio.to_thread(peer.wait_for, 3)
            assert peer.connections == 1
            hop.read_again(to)()
            await whole(hop, to, asking())
            assert peer.connections == 2
            gate.set()
            assert await under_way == b"ok"

    run(conversation())
