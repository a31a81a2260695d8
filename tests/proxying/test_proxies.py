"""Outbound proxies: what a proxy is told, and that a tunnel which does not open sent nothing."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import trustme

from gateway.errors import NotSent, OutcomeUnknown
from gateway.policies.routing import Proxy, Target, Timeouts, Tls
from tests.aside import aside
from tests.forwardproxy import ForwardProxy, forwarding
from tests.proxying.conftest import Run
from tests.proxying.conversation import OK, asking, hopping
from tests.proxying.test_tls import Authority
from tests.proxying.upstream import Line, Script, replies, serving

KNOWN = b"Basic " + b64encode(b"gateway:hunter2")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(trustme.CA(), tmp_path)


@pytest.fixture(params=["http", "https"])
def proxy(request: pytest.FixtureRequest, authority: Authority) -> Iterator[tuple[ForwardProxy, Proxy]]:
    """A proxy that wants to know who asks, over TLS too, and how a route names it."""
    secure = request.param == "https"
    with forwarding(authority.server() if secure else None) as running:
        running.authorization = KNOWN
        yield (
            running,
            Proxy(request.param, "127.0.0.1", running.port, KNOWN, authority.trust if secure else None),
        )


@asynccontextmanager
async def secured(authority: Authority, *answers: bytes) -> AsyncGenerator[tuple[Target, list[bytes]], None]:
    """An upstream behind TLS that answers each request of a connection in turn, and what it heard."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            heard.append(await reader.readuntil(b"pay"))
            writer.write(answer)
        await reader.read()
        writer.close()

    with aside(serve, context=authority.server()) as port:
        yield Target("https", "127.0.0.1", port, tls=Tls(authority.trust), keep_alive=timedelta(seconds=30)), heard


def test_https_goes_through_a_tunnel_that_is_used_again_and_the_proxy_sees_no_request(
    run: Run, authority: Authority, proxy: tuple[ForwardProxy, Proxy]
) -> None:
    running, told = proxy

    async def conversation() -> None:
        async with secured(authority, OK, OK) as (direct, heard), hopping() as hop:
            target = replace(direct, proxy=told)
            for _ in range(2):
                assert await (await hop.send(target, asking())).whole(10) == b"ok"
            place = b"127.0.0.1:%d" % target.port
            assert running.asked == [
                b"CONNECT %b HTTP/1.1\r\nHost: %b\r\nProxy-Authorization: %b\r\n\r\n" % (place, place, KNOWN)
            ]
            assert [request.split(b"\r\n")[:2] for request in heard] == [
                [b"POST /charges HTTP/1.1", b"Host: " + place]
            ] * 2
            assert b"roxy" not in b"".join(heard)

    run(conversation())


def test_http_is_forwarded_by_its_whole_url(run: Run, proxy: tuple[ForwardProxy, Proxy]) -> None:
    running, told = proxy

    async def conversation() -> None:
        async with serving(replies(OK, OK)) as upstream, hopping() as hop:
            target = replace(upstream.target(), proxy=told)
            answer = await hop.send(target, asking(target=b"/charges?a=%20b", headers=((b"X-One", b"1"),)))
            assert await answer.whole(10) == b"ok"
            assert running.asked == [
                b"POST http://127.0.0.1:%d/charges?a=%%20b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nX-One: 1\r\n"
                b"Content-Length: 3\r\nProxy-Authorization: %b\r\n\r\n" % (upstream.port, upstream.port, KNOWN)
            ]
            assert upstream.requests[0].startswith(b"POST /charges?a=%20b HTTP/1.1\r\n")

    run(conversation())


@pytest.mark.parametrize("status", [407, 403, 502, 302])
def test_a_tunnel_that_a_proxy_refuses_sent_nothing(run: Run, authority: Authority, status: int) -> None:
    async def conversation() -> None:
        with forwarding() as running:
            running.refuses = status
            async with secured(authority, OK) as (direct, heard), hopping() as hop:
                target = replace(direct, proxy=Proxy("http", "127.0.0.1", running.port, KNOWN))
                with pytest.raises(NotSent, match=str(status)) as fault:
                    await hop.send(target, asking())
                assert (fault.value.reason, heard) == ("proxy", [])
                assert KNOWN.decode() not in str(fault.value), "nor is it told who asks"

    run(conversation())


async def _silent(line: Line) -> None:
    await line.hung_up()


async def _hangs_up(line: Line) -> None:
    await line.request()


async def _resets(line: Line) -> None:
    await line.readable()
    line.reset()


async def _babbles(line: Line) -> None:
    await line.request()
    await line.say(b"SSH-2.0-OpenSSH_9\r\n\r\n")
    await line.hung_up()


async def _speaks_on(line: Line) -> None:
    await line.request()
    await line.say(b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno")
    await line.hung_up()


async def _opens_and_leaves(line: Line) -> None:
    await line.request()
    await line.say(b"HTTP/1.1 200 OK\r\n\r\n")


async def _opens_to_nobody(line: Line) -> None:
    await line.request()
    await line.say(b"HTTP/1.1 200 OK\r\n\r\n")
    await line.readable()
    await line.say(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    await line.hung_up()


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (_silent, "connect-timeout"),
        (_hangs_up, "proxy"),
        (_resets, "proxy"),
        (_babbles, "proxy"),
        (_speaks_on, "proxy"),
        (_opens_and_leaves, "tls"),
        (_opens_to_nobody, "tls"),
    ],
)
def test_a_tunnel_that_is_none_sent_nothing(run: Run, script: Script, reason: str) -> None:
    async def conversation() -> None:
        async with serving(script) as proxy, hopping() as hop:
            short = Timeouts(connect=timedelta(seconds=0.3 if reason == "connect-timeout" else 10))
            target = Target("https", "api.example", 443, timeouts=short, proxy=Proxy("http", "127.0.0.1", proxy.port))
            with pytest.raises(NotSent) as fault:
                await hop.send(target, asking())
            # What a proxy says unasked may come with its answer, or be the first that TLS hears.
            assert fault.value.reason in ({"proxy", "tls"} if script is _speaks_on else {reason})
            assert all(request.startswith(b"CONNECT api.example:443 ") for request in proxy.requests)

    run(conversation())


def test_a_proxy_that_is_not_there_sent_nothing(run: Run, unused_port: int) -> None:
    async def conversation() -> None:
        async with hopping() as hop:
            for scheme in ("http", "https"):
                target = Target(scheme, "api.example", 443, proxy=Proxy("http", "127.0.0.1", unused_port))
                with pytest.raises(NotSent, match=r"the proxy http://127\.0\.0\.1:") as fault:
                    await hop.send(target, asking())
                assert fault.value.reason == "refused"

    run(conversation())


def test_a_certificate_is_the_upstreams_own_whatever_the_proxy_shows(run: Run, authority: Authority) -> None:
    """Neither is a proxy believed to be the upstream, nor an upstream that nobody trusts."""

    async def conversation() -> None:
        with forwarding(authority.server()) as running:
            believed = Proxy("https", "127.0.0.1", running.port, ca=authority.trust)
            async with secured(authority, OK) as (direct, heard), hopping() as hop:
                for target in (
                    replace(direct, tls=Tls(), proxy=believed),
                    replace(direct, proxy=replace(believed, ca=None)),
                ):
                    with pytest.raises(NotSent) as fault:
                        await hop.send(target, asking())
                    assert (fault.value.reason, heard) == ("tls", [])

    run(conversation())


def test_a_request_that_a_proxy_took_and_lost_is_unknown_and_not_sent_again(run: Run) -> None:
    async def conversation() -> None:
        async with serving(_hangs_up) as proxy, hopping() as hop:
            target = Target("http", "api.example", 80, proxy=Proxy("http", "127.0.0.1", proxy.port))
            with pytest.raises(OutcomeUnknown) as fault:
                await hop.send(target, asking())
            assert fault.value.reason == "closed"
            assert len(proxy.requests) == len(proxy.lines) == 1

    run(conversation())


def test_cancelling_a_call_in_the_midst_of_a_tunnel_ends_it(run: Run) -> None:
    async def conversation() -> None:
        asked, left = asyncio.Event(), asyncio.Event()

        async def waits(line: Line) -> None:
            await line.request()
            asked.set()
            await line.hung_up()
            left.set()

        async with serving(waits) as proxy, hopping() as hop:
            target = Target("https", "api.example", 443, proxy=Proxy("http", "127.0.0.1", proxy.port))
            sending = asyncio.create_task(hop.send(target, asking()))
            await asked.wait()
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            await left.wait()

    run(conversation())
