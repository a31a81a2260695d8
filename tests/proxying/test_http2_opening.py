"""Before the first byte of a call over HTTP/2: whatever goes wrong until then was not sent."""

import asyncio
import ssl
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from gateway.errors import NotSent
from gateway.policies.routing import Target, Tls
from tests.http2upstream import Http2Upstream
from tests.proxying.conftest import Run
from tests.proxying.conversation import asking
from tests.proxying.over_http2 import OK, hopping, target, whole
from tests.proxying.test_tls import Authority
from tests.proxying.upstream import Line, replies, serving
from tests.upstream import Play, running_upstream


def test_what_speaks_no_http2_was_not_sent_to(run: Run, unused_port: int) -> None:
    async def silent(line: Line) -> None:
        await line.hung_up()

    async def hangs_up(line: Line) -> None:
        await line.readable()

    async def conversation() -> None:
        cases = [
            (replies(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "http-version"),
            (hangs_up, "http-version"),
            (silent, "connect-timeout"),
        ]
        for script, reason in cases:
            async with serving(script) as other, hopping() as hop:
                with pytest.raises(NotSent) as fault:
                    await hop.send(target(other.port, connect=0.3 if script is silent else 5), asking())
                assert fault.value.reason == reason
        async with hopping() as hop:
            waiting = [hop.send(target(unused_port), asking()) for _ in range(3)]
            heard = await asyncio.gather(*waiting, return_exceptions=True)
            assert [getattr(each, "reason", None) for each in heard] == ["refused"] * 3

    run(conversation())


@pytest.mark.parametrize("agreed", ["h2", "http/1.1", ""])
def test_over_tls_both_sides_have_to_agree_on_http2(run: Run, tmp_path: Path, agreed: str) -> None:
    authority = Authority(trustme.CA(), tmp_path)
    context: ssl.SSLContext = authority.server()
    if agreed:
        context.set_alpn_protocols([agreed])

    async def conversation(upstream: Http2Upstream) -> None:
        secure = Target("https", "127.0.0.1", upstream.port, tls=Tls(authority.trust), http2=True)
        async with hopping() as hop:
            if agreed == "h2":
                upstream.then(Play(OK))
                assert await whole(hop, secure, asking()) == b"ok"
                return
            with pytest.raises(NotSent) as fault:
                await hop.send(secure, asking())
            assert fault.value.reason == "http-version"
            assert "(ALPN)" in str(fault.value)
        assert upstream.log == []

    with running_upstream(kind=Http2Upstream, context=context) as running:
        assert isinstance(running, Http2Upstream)
        run(conversation(running))


def test_a_refusal_of_http2_in_the_talk_of_tls_says_what_to_set(run: Run) -> None:
    async def refuses(line: Line) -> None:
        await line.readable()
        await line.say(b"\x15\x03\x03\x00\x02\x02\x78")  # The alert no_application_protocol (RFC 7301, section 3.2).
        await line.hung_up()

    async def conversation() -> None:
        async with serving(refuses) as other, hopping() as hop:
            with pytest.raises(NotSent, match=r"ALPN.*upstream\.http") as fault:
                await hop.send(Target("https", "127.0.0.1", other.port, http2=True), asking())
            assert fault.value.reason == "http-version"

    run(conversation())


def test_nothing_is_said_to_whom_nobody_vouches_for_or_at_an_address_that_is_refused(
    run: Run, peer: Http2Upstream, tmp_path: Path
) -> None:
    async def conversation(secure: Http2Upstream) -> None:
        strange = Target("https", "127.0.0.1", secure.port, http2=True)
        private = replace(target(peer.port), refuse_private_addresses=True)
        async with hopping() as hop:
            for to, reason in ((strange, "tls"), (private, "private-address")):
                with pytest.raises(NotSent) as fault:
                    await hop.send(to, asking())
                assert fault.value.reason == reason
        assert (peer.connections, secure.log) == (0, [])

    context = Authority(trustme.CA(), tmp_path).server()
    context.set_alpn_protocols(["h2"])
    with running_upstream(kind=Http2Upstream, context=context) as secure:
        assert isinstance(secure, Http2Upstream)
        run(conversation(secure))
