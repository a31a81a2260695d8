"""What HTTP/2 says of calls that it did not answer, and what may be made of it; none of them is sent again."""

import asyncio
import threading

import pytest
from h2.errors import ErrorCodes

from gateway.errors import NotProcessed, OutcomeUnknown
from tests.http2upstream import Conversation, Http2Upstream
from tests.proxying.conftest import Run
from tests.proxying.conversation import asking
from tests.proxying.over_http2 import OK, Misbehaviour, frame, hopping, target, whole
from tests.upstream import Logged, Play, answer


def test_a_lost_connection_loses_each_of_its_calls_and_sends_none_again(run: Run, peer: Http2Upstream) -> None:
    async def conversation() -> None:
        def loses(talk: Conversation, _: int, __: Logged) -> bool:
            if len(peer.log) == 3:
                talk.reset()
            return True

        peer.misbehave = loses
        async with hopping() as hop:
            to = target(peer.port)
            heard = await asyncio.gather(*(hop.send(to, asking()) for _ in range(3)), return_exceptions=True)
            assert [type(each) for each in heard] == [OutcomeUnknown] * 3
            peer.misbehave = None
            peer.then(Play(OK))
            assert await whole(hop, to, asking()) == b"ok"
        assert (len(peer.log), peer.connections) == (4, 2)

    run(conversation())


def _refuses(talk: Conversation, stream: int, _: Logged) -> bool:
    talk.engine.reset_stream(stream, ErrorCodes.REFUSED_STREAM)
    return True


def _goes_away(last: int) -> Misbehaviour:
    def misbehave(talk: Conversation, _: int, __: Logged) -> bool:
        talk.engine.close_connection(last_stream_id=last)
        return True

    return misbehave


def _gives_up(talk: Conversation, stream: int, _: Logged) -> bool:
    talk.engine.reset_stream(stream, ErrorCodes.INTERNAL_ERROR)
    return True


_UNPROCESSED = [(_refuses, "refused-stream"), (_goes_away(0), "going-away")]


@pytest.mark.parametrize(("misbehave", "reason"), _UNPROCESSED)
def test_what_an_upstream_guarantees_that_it_did_not_process_was_not_executed_and_is_not_sent_again(
    run: Run, peer: Http2Upstream, misbehave: Misbehaviour, reason: str
) -> None:
    """RFC 9113, section 8.7: another attempt is the caller's, never the hop's."""

    async def conversation() -> None:
        peer.misbehave = misbehave
        async with hopping() as hop:
            with pytest.raises(NotProcessed) as fault:
                await hop.send(target(peer.port), asking())
            assert fault.value.reason == reason
        assert len(peer.log) == 1

    run(conversation())


@pytest.mark.parametrize(("misbehave", "reason"), [*_UNPROCESSED, (_gives_up, "reset")])
def test_what_is_no_guarantee_or_not_believed_is_unknown(
    run: Run, peer: Http2Upstream, misbehave: Misbehaviour, reason: str
) -> None:
    async def conversation() -> None:
        peer.misbehave = misbehave
        async with hopping() as hop:
            with pytest.raises(OutcomeUnknown) as fault:
                await hop.send(target(peer.port, believe_refusals=False), asking())
            assert fault.value.reason == reason
        assert len(peer.log) == 1

    run(conversation())


@pytest.mark.parametrize("status", [b"103", b"200"])
@pytest.mark.parametrize(("misbehave", "reason"), _UNPROCESSED)
def test_no_guarantee_is_believed_once_anything_of_an_answer_has_come(
    run: Run, peer: Http2Upstream, misbehave: Misbehaviour, reason: str, status: bytes
) -> None:
    def both(talk: Conversation, stream: int, logged: Logged) -> bool:
        talk.engine.send_headers(stream, [(b":status", status)])
        return misbehave(talk, stream, logged)

    async def conversation() -> None:
        peer.misbehave = both
        async with hopping() as hop:
            with pytest.raises(OutcomeUnknown) as fault:
                await whole(hop, target(peer.port), asking())
            assert fault.value.reason == reason

    run(conversation())


def test_an_upstream_that_goes_away_in_order_still_answers_and_gets_no_new_call(run: Run, peer: Http2Upstream) -> None:
    async def conversation() -> None:
        gate, unread = threading.Event(), threading.Event()

        def leaving(talk: Conversation, stream: int, logged: Logged) -> bool:
            if logged.line.startswith("POST /first"):
                unread.wait(20)
                # By hand: h2's server could not answer after a farewell of its own either.
                talk.writer.write(frame(7, 0, 0, stream.to_bytes(4) + bytes(4)))
            return False

        peer.misbehave = leaving
        peer.then(Play(OK, then="keep"), Play(OK, then="keep", gate=gate), Play(answer(200, b"second")))
        async with hopping() as hop:
            to = target(peer.port)
            assert await whole(hop, to, asking()) == b"ok"
            first = asyncio.create_task(whole(hop, to, asking(target=b"/first")))
            await asyncio.to_thread(peer.wait_for, 2)
            # It lies in the socket, and the loop has no turn to read it before the next call is to be written.
            unread.set()
            assert hop.open(to)._connections[0]._poll.poll(20_000)
            assert await whole(hop, to, asking(target=b"/second")) == b"second"
            gate.set()
            assert await first == b"ok"
        assert (len(peer.log), peer.connections) == (3, 2)

    run(conversation())
