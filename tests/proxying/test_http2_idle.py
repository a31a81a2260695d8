"""Connections that carry nothing: for how long they are kept, when they are not used, and how they end."""

import asyncio
import threading

import pytest
from h2.errors import ErrorCodes

from gateway.errors import NotSent
from tests.http2upstream import Conversation, Http2Upstream
from tests.proxying.conftest import Run
from tests.proxying.conversation import asking
from tests.proxying.over_http2 import OK, frame, hopping, target, whole
from tests.upstream import Logged, Play


def test_a_connection_is_not_used_past_its_keep_alive_and_none_is_shared(run: Run, peer: Http2Upstream) -> None:
    async def conversation() -> None:
        async with hopping() as hop:
            one, other, once = target(peer.port), target(peer.port), target(peer.port, keep_alive=0)
            for to in (one, one, other, once, once):
                peer.then(Play(OK, then="keep"))
                assert await whole(hop, to, asking()) == b"ok"
            assert peer.connections == 4

    run(conversation())


def test_an_idle_connection_is_retired_by_itself(run: Run, peer: Http2Upstream) -> None:
    async def conversation() -> None:
        peer.then(Play(OK, then="keep"))
        async with hopping() as hop:
            to = target(peer.port, keep_alive=0.05)
            assert await whole(hop, to, asking()) == b"ok"
            await asyncio.to_thread(peer.left.wait, 20)
            assert hop.open(to)._connections == []

    run(conversation())


@pytest.mark.parametrize("ended", ["reset", "closed", "said farewell"])
def test_a_connection_that_ended_while_idle_is_not_used_even_where_nobody_has_seen_it_yet(
    run: Run, peer: Http2Upstream, ended: str
) -> None:
    async def conversation() -> None:
        unread, talks = threading.Event(), []

        def keeps(talk: Conversation, _: int, __: Logged) -> bool:
            talks.append(talk)
            return False

        def end() -> None:
            talk = talks[0]
            if ended == "reset":
                talk.reset()
            elif ended == "closed":
                talk.writer.close()
            else:
                talk.writer.write(frame(7, 0, 0, (0).to_bytes(4) + bytes(4)))
            unread.set()

        peer.misbehave = keeps
        peer.then(Play(OK, then="keep"), Play(OK, then="keep"))
        async with hopping() as hop:
            to = target(peer.port)
            assert await whole(hop, to, asking()) == b"ok"
            talks[0].loop.call_soon_threadsafe(end)
            unread.wait(20)  # The hop's loop has no turn meanwhile, nor until the poll has seen what came.
            assert hop.open(to)._connections[0]._poll.poll(20_000)
            assert await whole(hop, to, asking()) == b"ok"
        assert (len(peer.log), peer.connections) == (2, 2)

    run(conversation())


def test_a_closed_hop_sends_no_more(run: Run, peer: Http2Upstream) -> None:
    async def conversation() -> None:
        peer.then(Play(OK, then="keep"))
        async with hopping() as hop:
            to = target(peer.port)
            assert await whole(hop, to, asking()) == b"ok"
            await hop.close()
            with pytest.raises(NotSent) as fault:
                await hop.send(to, asking())
            assert fault.value.reason == "draining"
        assert len(peer.log) == 1

    run(conversation())


def test_an_upstream_is_told_before_an_idle_connection_ends(run: Run, peer: Http2Upstream) -> None:
    async def conversation() -> None:
        peer.then(Play(OK, then="keep"))
        async with hopping() as hop:
            assert await whole(hop, target(peer.port), asking()) == b"ok"
        await asyncio.to_thread(peer.left.wait, 20)
        assert peer.farewells == [ErrorCodes.NO_ERROR]

    run(conversation())
