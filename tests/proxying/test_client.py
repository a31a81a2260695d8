"""Questions to an upstream: each goes to its URL alone, once, and is answered whole or not at all (laws A1 to A3)."""

import asyncio
import logging
import ssl
import threading
from collections.abc import Coroutine
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import pytest
import trustme

from gateway.policies.reconciling import Question, Told, Untold
from gateway.policies.routing import Proxy, Target, Tls
from gateway.protocol.headers import Headers
from gateway.proxying.client import HttpInquirer
from gateway.proxying.dialling import judging
from tests.aside import aside
from tests.forwardproxy import forwarding
from tests.proxying.test_private_addresses import Names
from tests.proxying.test_tls import Authority
from tests.upstream import Play, Upstream, answer, chunked

Result = TypeVar("Result")
LIMIT = 1000


def ask(
    upstream: Upstream, url: str = "/c?ref=a%2Fb&x='y'", headers: Headers = (), seconds: float = 5
) -> Told | Untold:
    target = Target("http", "127.0.0.1", upstream.port)
    question = Question("GET", f"{target.origin}{url}", headers, timedelta(seconds=seconds))
    return run(_asked(target, question))


async def _asked(target: Target, question: Question) -> Told | Untold:
    inquirer = HttpInquirer()
    try:
        return await inquirer.ask(target, question, LIMIT)
    finally:
        await inquirer.close()


async def _secure(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers one request, and closes."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(answer(200, b"secure"))
    await writer.drain()
    writer.close()


def run(work: Coroutine[Any, Any, Result]) -> Result:
    return asyncio.run(work)


def test_a_question_goes_out_as_it_was_written_with_its_own_fields_and_no_others(upstream: Upstream) -> None:
    upstream.then(Play(answer(200, b'{"a": 1}', ("X-A", "1"))))
    heard = ask(upstream, headers=((b"Authorization", b"Bearer s"), (b"accept", b"x/y")))
    assert isinstance(heard, Told)
    assert (heard.status, heard.body) == (200, b'{"a": 1}')
    assert (b"X-A", b"1") in heard.headers
    (logged,) = upstream.log
    assert logged.line == "GET /c?ref=a%2Fb&x='y' HTTP/1.1"
    assert sorted(name for name, _ in logged.headers) == [
        "accept",
        "accept-encoding",
        "authorization",
        "host",
        "user-agent",
    ]
    assert logged.all("accept-encoding") == ["identity"]
    assert logged.all("accept") == ["x/y"]


def test_no_redirect_is_followed(upstream: Upstream) -> None:
    upstream.then(Play(answer(302, b"", ("Location", f"http://127.0.0.1:{upstream.port}/elsewhere"))))
    heard = ask(upstream)
    assert isinstance(heard, Told)
    assert heard.status == 302
    assert len(upstream.log) == 1


def test_nothing_is_taken_from_the_environment(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, unused_port: int
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password hunter2\n")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused_port}")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    heard = ask(upstream)
    assert isinstance(heard, Told)
    assert upstream.log[0].all("authorization") == []


@pytest.mark.parametrize(
    ("play", "reason"),
    [
        (Play(then="reset"), "reset"),
        (Play(then="close"), "malformed"),
        (Play(answer(200, b"whole")[:-1]), "malformed"),
        (Play(b"nonsense\r\n\r\n"), "malformed"),
        (Play(answer(200, b"x" * (LIMIT + 1))), "too-large"),
        (Play(chunked(200, *[b"x" * 100] * 11)), "too-large"),
        (Play(answer(200, b"x", ("Content-Encoding", "gzip"))), "encoded"),
    ],
)
def test_an_answer_that_is_not_whole_or_not_readable_is_none(upstream: Upstream, play: Play, reason: str) -> None:
    upstream.then(play)
    assert ask(upstream) == Untold(reason)
    assert len(upstream.log) == 1, "asked once"


def test_an_answer_may_be_as_long_as_the_limit(upstream: Upstream) -> None:
    upstream.then(Play(answer(200, b"x" * LIMIT)))
    heard = ask(upstream)
    assert isinstance(heard, Told)
    assert len(heard.body) == LIMIT


def test_the_timeout_bounds_all_of_it(upstream: Upstream) -> None:
    gate = threading.Event()
    upstream.then(Play(answer(200)[:-1], gate=gate), Play(answer(200)[:-1], then="hang"))
    assert ask(upstream, seconds=0.2) == Untold("timeout")
    gate.set()
    assert ask(upstream, seconds=0.5) == Untold("timeout")


def test_an_upstream_that_is_not_there_is_unreachable(upstream: Upstream, unused_port: int) -> None:
    target = Target("http", "127.0.0.1", unused_port)
    question = Question("GET", f"{target.origin}/", (), timedelta(seconds=5))
    assert run(_asked(target, question)) == Untold("unreachable")


def test_a_tls_identity_that_cannot_be_used_is_no_answer(upstream: Upstream) -> None:
    target = Target("https", "127.0.0.1", upstream.port, tls=Tls(ca="/none"))
    assert run(_asked(target, Question("GET", f"{target.origin}/", (), timedelta(seconds=5)))) == Untold("tls")


def test_the_routes_tls_settings_count(authority: Authority) -> None:
    with aside(_secure, context=authority.server()) as port:
        target = Target("https", "127.0.0.1", port, tls=Tls(ca=authority.trust))
        question = Question("GET", f"{target.origin}/", (), timedelta(seconds=10))
        heard = run(_asked(target, question))
        assert isinstance(heard, Told)
        assert heard.body == b"secure"
        untold = run(_asked(replace(target, tls=Tls()), question))
        assert untold == Untold("unreachable"), "nobody whom the system trusts has signed it"


def test_tls_files_that_have_changed_count_for_the_next_question_and_the_one_under_way_ends(
    authority: Authority,
) -> None:
    asked, gate = threading.Event(), threading.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await asyncio.to_thread(gate.wait)
        writer.write(answer(200, b"secure"))
        await writer.drain()
        writer.close()

    async def conversation(port: int) -> None:
        inquirer = HttpInquirer()
        target = Target("https", "127.0.0.1", port, tls=Tls(ca=authority.trust))
        question = Question("GET", f"{target.origin}/", (), timedelta(seconds=10))
        under_way = asyncio.create_task(inquirer.ask(target, question, LIMIT))
        await asyncio.to_thread(asked.wait)
        trustme.CA().cert_pem.write_to_path(authority.trust)
        inquirer.read_again(target, question.url)()
        assert await inquirer.ask(target, question, LIMIT) == Untold("unreachable"), "somebody else is trusted now"
        gate.set()
        heard = await under_way
        assert isinstance(heard, Told)
        assert heard.body == b"secure"
        await inquirer.close()

    with aside(slow, context=authority.server()) as port:
        run(conversation(port))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(trustme.CA(), tmp_path)


def test_neither_url_nor_credential_nor_answer_is_logged(upstream: Upstream, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        upstream.then(Play(answer(200, b"canary-answer")))
        ask(upstream, "/c?ref=canary-value", ((b"Authorization", b"canary-secret"),))
    assert "canary" not in caplog.text


def test_a_question_goes_by_the_routes_proxy(upstream: Upstream) -> None:
    upstream.then(Play(answer(200, b"known")))
    with forwarding() as proxy:
        proxy.authorization = b"Basic Z2F0ZXdheTpodW50ZXIy"
        by = Proxy("http", "127.0.0.1", proxy.port, proxy.authorization)
        target = Target("http", "127.0.0.1", upstream.port, proxy=by)
        question = Question("GET", f"{target.origin}/c?ref=a%2Fb", (), timedelta(seconds=5))
        heard = run(_asked(target, question))
        assert isinstance(heard, Told)
        assert heard.body == b"known"
        assert len(proxy.asked) == len(upstream.log) == 1
        assert upstream.log[0].line == "GET /c?ref=a%2Fb HTTP/1.1"
        assert upstream.log[0].all("proxy-authorization") == []


def test_a_question_goes_through_the_tunnel_that_a_proxy_opens(authority: Authority) -> None:
    with aside(_secure, context=authority.server()) as port, forwarding(authority.server()) as proxy:
        by = Proxy("https", "127.0.0.1", proxy.port, ca=authority.trust)
        target = Target("https", "127.0.0.1", port, tls=Tls(authority.trust), proxy=by)
        question = Question("GET", f"{target.origin}/", (), timedelta(seconds=10))
        heard = run(_asked(target, question))
        assert isinstance(heard, Told)
        assert heard.body == b"secure"
        assert proxy.asked[0].startswith(b"CONNECT 127.0.0.1:")
        proxy.refuses = 403
        assert run(_asked(target, question)) == Untold("unreachable")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
def test_a_question_is_not_asked_at_an_address_that_the_route_refuses(upstream: Upstream, host: str) -> None:
    target = Target("http", host, upstream.port, refuse_private_addresses=True)
    question = Question("GET", f"http://{host}:{upstream.port}/", (), timedelta(seconds=5))
    assert run(_asked(target, question)) == Untold("unreachable")
    assert upstream.log == []


def test_a_question_is_judged_by_the_address_that_it_would_go_to() -> None:
    """A name that has only addresses of its owner's own now, whatever it had when somebody looked."""
    target = Target("http", "api.example.com", 80, refuse_private_addresses=True)
    question = Question("GET", "http://api.example.com/", (), timedelta(seconds=5))
    loop = Names(80, ("127.0.0.1", "::1"))
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        assert runner.run(_asked(target, question)) == Untold("unreachable")
    assert loop.asked == ["api.example.com"]


def test_what_is_judged_is_connected_to_and_answers(upstream: Upstream) -> None:
    """Of a route that refuses nothing, because what is public is no place for a test to go to."""

    async def asked() -> bytes:
        context, limits = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), httpx2.Limits(max_connections=1)
        async with judging(Target("http", "localhost", upstream.port), context, limits) as transport:
            request = httpx2.Request("GET", f"http://localhost:{upstream.port}/")
            return await (await transport.handle_async_request(request)).aread()

    upstream.then(Play(answer(200, b"known")))
    assert run(asked()) == b"known"
