"""Laws U1, U2, U3 and U5: one request, once; the last look at the clock; unknown outcomes; cancellations."""

import asyncio
from collections.abc import Callable

import pytest

from gateway.errors import NotSent, OutcomeUnknown
from gateway.ports import Outgoing, Upstream
from gateway.proxying.hop import Hop
from tests.proxying.conftest import Run
from tests.proxying.conversation import OK, asking, hopping
from tests.proxying.upstream import Line, replies, serving


def test_hop_is_an_upstream() -> None:
    upstream: Upstream = Hop()
    assert upstream is not None


def test_a_request_is_written_as_it_was_given_with_host_first_and_framing_last(run: Run) -> None:
    async def conversation() -> None:
        async with serving(replies(OK)) as upstream, hopping() as hop:
            fields = ((b"X-One", b"1"), (b"x-two", b"2"), (b"X-One", b"3"))
            request = asking("POST", (b"pa", b"y"), headers=fields, target=b"/charges?a=%20b")
            answer = await hop.send(upstream.target(), request)
            assert (answer.status, await answer.whole(10)) == (200, b"ok")
            assert upstream.requests == [
                b"POST /charges?a=%%20b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nX-One: 1\r\nx-two: 2\r\nX-One: 3\r\n"
                b"Content-Length: 3\r\n\r\npay" % upstream.port
            ]

    run(conversation())


@pytest.mark.parametrize(
    ("method", "line"), [("POST", b"Content-Length: 0\r\n"), ("PATCH", b"Content-Length: 0\r\n"), ("GET", b"")]
)
def test_a_method_that_asks_for_a_body_says_that_there_is_none(run: Run, method: str, line: bytes) -> None:
    async def conversation() -> None:
        async with serving(replies(OK)) as upstream, hopping() as hop:
            await hop.send(upstream.target(), asking(method, None))
            head = b"%b /charges HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%b\r\n" % (method.encode(), upstream.port, line)
            assert upstream.requests == [head]

    run(conversation())


@pytest.mark.parametrize(
    "outgoing",
    [
        asking("PO ST"),
        asking(""),
        asking(target=b"/a b"),
        asking(target=b"/a\r\nX: y"),
        asking(target=b"/a\x00"),
        asking(target=b""),
        asking(headers=((b"A", b"b\r\nContent-Length: 0"),)),
        asking(headers=((b"A", b"b\nc"),)),
        asking(headers=((b"A", b"b\x00"),)),
        asking(headers=((b"A\r\nB", b"c"),)),
        asking(headers=((b"A ", b"b"),)),
        asking(headers=((b"", b"b"),)),
        asking(headers=((b"Host", b"elsewhere"),)),
        asking(headers=((b"content-length", b"3"),)),
        asking(headers=((b"Transfer-Encoding", b"chunked"),)),
        asking(body=(b"four",), length=3),
    ],
)
def test_a_request_that_would_say_more_than_it_should_is_not_sent(run: Run, outgoing: Outgoing) -> None:
    async def conversation() -> None:
        async with serving(replies(OK)) as upstream, hopping() as hop:
            with pytest.raises(NotSent) as fault:
                await hop.send(upstream.target(), outgoing)
            assert fault.value.reason == "invalid-request"
            assert upstream.lines == []

    run(conversation())


def test_the_dispatch_deadline_is_looked_at_after_connecting_and_before_the_first_byte(run: Run) -> None:
    class Ticking:
        """A clock on which every look takes a second."""

        now = 0.0

        def monotonic(self) -> float:
            self.now += 1
            return self.now

    async def conversation() -> None:
        async with serving(replies(OK)) as upstream:
            clock = Ticking()
            hop = Hop(clock)
            target = upstream.target()
            with pytest.raises(NotSent) as fault:
                await hop.send(target, asking(), dispatch_by=clock.now + 1)
            assert fault.value.reason == "dispatch-deadline"
            assert upstream.requests == []
            answer = await hop.send(target, asking(), dispatch_by=clock.now + 100)
            assert await answer.whole(10) == b"ok"
            assert len(upstream.lines) == 1, "the connection that carried nothing is still good"
            await hop.close()

    run(conversation())


def test_a_reset_before_the_request_was_read_is_unknown(run: Run) -> None:
    async def conversation() -> None:
        async def resets(line: Line) -> None:
            await line.readable()
            line.reset()

        async with serving(resets) as upstream, hopping() as hop:
            with pytest.raises(OutcomeUnknown) as fault:
                await hop.send(upstream.target(), asking())
            assert (fault.value.reason, fault.value.timed_out) == ("reset", False)
            assert len(upstream.lines) == 1

    run(conversation())


def test_a_close_after_the_request_was_read_is_unknown(run: Run) -> None:
    async def conversation() -> None:
        async def closes(line: Line) -> None:
            await line.request()

        async with serving(closes) as upstream, hopping() as hop:
            with pytest.raises(OutcomeUnknown) as fault:
                await hop.send(upstream.target(), asking())
            assert fault.value.reason == "closed"
            assert len(upstream.requests) == 1

    run(conversation())


@pytest.mark.parametrize("end", [Line.reset, Line.close])
def test_a_reused_connection_that_dies_after_the_write_is_unknown_and_nothing_is_sent_again(
    run: Run, end: Callable[[Line], None]
) -> None:
    async def conversation() -> None:
        async def dies(line: Line) -> None:
            await line.request()
            await line.say(OK)
            await line.request()
            end(line)

        async with serving(dies, replies(OK)) as upstream, hopping() as hop:
            target = upstream.target()
            await (await hop.send(target, asking(target=b"/first"))).whole(10)
            with pytest.raises(OutcomeUnknown):
                await hop.send(target, asking(target=b"/second"))
            assert [request.split()[1] for request in upstream.requests] == [b"/first", b"/second"]
            assert len(upstream.lines) == 1

    run(conversation())


def test_cancelling_send_closes_its_connection(run: Run) -> None:
    async def conversation() -> None:
        asked, left = asyncio.Event(), asyncio.Event()

        async def hangs(line: Line) -> None:
            await line.request()
            asked.set()
            await line.hung_up()
            left.set()

        async with serving(hangs) as upstream, hopping() as hop:
            sending = asyncio.create_task(hop.send(upstream.target(), asking()))
            await asked.wait()
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            await left.wait()

    run(conversation())


def test_cancelling_send_while_it_connects_leaves_the_place_free(run: Run) -> None:
    async def conversation() -> None:
        async with serving(replies(OK)) as upstream, hopping() as hop:
            target = upstream.target(max_connections=1)
            for _ in range(3):
                sending = asyncio.create_task(hop.send(target, asking()))
                await asyncio.sleep(0)
                sending.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await sending
            assert await (await hop.send(target, asking())).whole(10) == b"ok"

    run(conversation())
