"""Answers over HTTP/2, good and bad: laws U4 and A1 to A4 once more, and what breaks the rules of frames."""

import pytest

from gateway.errors import OutcomeUnknown
from gateway.ports import Outgoing
from gateway.proxying.http2.stream import MAX_INFORMATIONAL
from tests.http2upstream import Conversation, Http2Upstream
from tests.proxying.conftest import Run
from tests.proxying.conversation import asking
from tests.proxying.over_http2 import OK, hopping, says, target, whole
from tests.upstream import Logged, Play


@pytest.mark.parametrize(
    "fields",
    [
        [(b"x-a", b"1")],
        [(b":status", b"abc")],
        [(b":status", b"600")],
        [(b":status", b"200"), (b":path", b"/")],
        [(b":status", b"200"), (b"x-a", b"1\r\nset-cookie: a=b")],
        [(b":status", b"200"), (b"x-a", b" 1")],
        [(b":status", b"200"), (b"x a", b"1")],
        [(b":status", b"200"), (b"connection", b"close")],
        [(b":status", b"200"), (b"transfer-encoding", b"chunked")],
        [(b":status", b"200"), *[(b"x-a", b"1")] * 201],
    ],
)
def test_a_head_that_cannot_be_read_in_one_way_is_refused_and_is_its_own_calls_matter(
    run: Run, peer: Http2Upstream, fields: list[tuple[bytes, bytes]]
) -> None:
    async def conversation() -> None:
        peer.misbehave = says(*fields)
        async with hopping() as hop:
            to = target(peer.port)
            with pytest.raises(OutcomeUnknown) as fault:
                await hop.send(to, asking())
            assert fault.value.reason == "malformed"
            peer.misbehave = None
            peer.then(Play(OK))
            assert await whole(hop, to, asking()) == b"ok"
        assert (len(peer.log), peer.connections) == (2, 1)

    run(conversation())


def test_no_more_informational_answers_are_taken_than_anybody_sends(run: Run, peer: Http2Upstream) -> None:
    def misbehave(talk: Conversation, stream: int, _: Logged) -> bool:
        for _each in range(MAX_INFORMATIONAL + 1):
            talk.engine.send_headers(stream, [(b":status", b"103")])
        return True

    async def conversation() -> None:
        peer.misbehave = misbehave
        async with hopping() as hop:
            with pytest.raises(OutcomeUnknown, match="informational") as fault:
                await hop.send(target(peer.port), asking())
            assert fault.value.reason == "malformed"

    run(conversation())


def test_an_answer_that_would_change_the_protocol_is_refused(run: Run, peer: Http2Upstream) -> None:
    def misbehave(talk: Conversation, stream: int, _: Logged) -> bool:
        talk.engine.send_headers(stream, [(b":status", b"101")])
        return True

    async def conversation() -> None:
        peer.misbehave = misbehave
        async with hopping() as hop:
            with pytest.raises(OutcomeUnknown) as fault:
                await hop.send(target(peer.port), asking())
            assert fault.value.reason == "malformed"

    run(conversation())


def _short(talk: Conversation, stream: int, logged: Logged) -> bool:
    """Three bytes of the ten that it declares, and an end of stream where h2 does not count: at the head, or after."""
    talk.engine.send_headers(
        stream, [(b":status", b"200"), (b"content-length", b"10")], end_stream="/head" in logged.line
    )
    if "/trailers" in logged.line:
        talk.engine.send_data(stream, b"abc")
        talk.engine.send_headers(stream, [(b"x-trailer", b"1")], end_stream=True)
    return True


@pytest.mark.parametrize("target_of_it", [b"/head", b"/trailers"])
def test_an_answer_shorter_than_it_declares_is_cut_wherever_its_stream_ends(
    run: Run, peer: Http2Upstream, target_of_it: bytes
) -> None:
    async def conversation() -> None:
        peer.misbehave = _short
        async with hopping() as hop:
            heard = await hop.send(target(peer.port), asking(target=target_of_it))
            with pytest.raises(OutcomeUnknown) as fault:
                await heard.whole(100)
            assert fault.value.reason == "cut"
        assert len(peer.log) == 1

    run(conversation())


def test_trailers_and_informational_answers_are_dropped_and_a_head_has_no_body(run: Run, peer: Http2Upstream) -> None:
    def misbehave(talk: Conversation, stream: int, logged: Logged) -> bool:
        talk.engine.send_headers(stream, [(b":status", b"103"), (b"link", b"</a>")])
        if logged.line.startswith("HEAD"):
            fields = [(b":status", b"200"), (b"content-length", b"5")]
            talk.engine.send_headers(stream, fields, end_stream=True)
        else:
            talk.engine.send_headers(stream, [(b":status", b"200"), (b"x-a", b"1")])
            talk.engine.send_data(stream, b"ok")
            talk.engine.send_headers(stream, [(b"x-trailer", b"1")], end_stream=True)
        return True

    async def conversation() -> None:
        peer.misbehave = misbehave
        async with hopping() as hop:
            to = target(peer.port)
            heard = await hop.send(to, asking())
            assert (heard.status, heard.headers, await heard.whole(10)) == (200, ((b"x-a", b"1"),), b"ok")
            none = await hop.send(to, Outgoing("HEAD", b"/", ()))
            assert (none.length, await none.whole(10)) == (0, b"")

    run(conversation())
