"""TLS towards the upstream: whom the hop believes, who it says it is, and that a failed handshake sent nothing."""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import trustme

from gateway.errors import ConfigInvalid, NotSent, OutcomeUnknown
from gateway.policies.routing import Target, Tls
from gateway.proxying.tls import client_context
from tests.aside import aside
from tests.proxying.conftest import Run
from tests.proxying.conversation import OK, asking, hopping
from tests.proxying.upstream import Line, serving


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority of the test's own, and files of what it signed."""

    ca: trustme.CA
    folder: Path

    @property
    def trust(self) -> str:
        path = self.folder / "ca.pem"
        self.ca.cert_pem.write_to_path(path)
        return str(path)

    def identity(self) -> Tls:
        leaf = self.ca.issue_cert("gateway.example")
        certificate, key = self.folder / "gateway.pem", self.folder / "gateway.key"
        leaf.cert_chain_pems[0].write_to_path(certificate)
        leaf.private_key_pem.write_to_path(key)
        return Tls(self.trust, str(certificate), str(key))

    def server(self, name: str = "127.0.0.1") -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.ca.issue_cert(name).configure_cert(context)
        return context


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(trustme.CA(), tmp_path)


@asynccontextmanager
async def _secure(context: ssl.SSLContext, *answers: bytes) -> AsyncGenerator[tuple[int, list[bytes]], None]:
    """An upstream behind TLS: answers each request of a connection in turn, then closes it."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            heard.append(await reader.readuntil(b"pay"))
            writer.write(answer)
        await writer.drain()
        writer.close()

    with aside(serve, context=context) as port:
        yield port, heard


def test_an_upstream_of_a_known_authority_is_believed_and_its_connection_used_again(
    run: Run, authority: Authority
) -> None:
    async def conversation() -> None:
        async with _secure(authority.server(), OK, OK) as (port, heard), hopping() as hop:
            target = Target("https", "127.0.0.1", port, tls=Tls(ca=authority.trust))
            for _ in range(2):
                answer = await hop.send(target, asking())
                assert await answer.whole(10) == b"ok"
            assert len(heard) == 2

    run(conversation())


def test_the_gateway_shows_its_certificate_where_it_has_one(run: Run, authority: Authority) -> None:
    async def conversation() -> None:
        context = authority.server()
        context.verify_mode = ssl.CERT_REQUIRED
        authority.ca.configure_trust(context)
        async with _secure(context, OK) as (port, _), hopping() as hop:
            answer = await hop.send(Target("https", "127.0.0.1", port, tls=authority.identity()), asking())
            assert await answer.whole(10) == b"ok"

    run(conversation())


@pytest.mark.parametrize("name", ["127.0.0.2", "elsewhere.example"])
def test_a_certificate_for_another_name_was_not_sent_to(run: Run, authority: Authority, name: str) -> None:
    async def conversation() -> None:
        async with _secure(authority.server(name), OK) as (port, heard), hopping() as hop:
            with pytest.raises(NotSent) as fault:
                await hop.send(Target("https", "127.0.0.1", port, tls=Tls(ca=authority.trust)), asking())
            assert (fault.value.reason, heard) == ("tls", [])

    run(conversation())


def test_an_authority_that_nobody_knows_was_not_sent_to(run: Run, authority: Authority) -> None:
    async def conversation() -> None:
        async with _secure(authority.server(), OK) as (port, heard), hopping() as hop:
            with pytest.raises(NotSent) as fault:
                await hop.send(Target("https", "127.0.0.1", port), asking())
            assert (fault.value.reason, heard) == ("tls", [])

    run(conversation())


def test_old_tls_was_not_sent_to(run: Run, authority: Authority) -> None:
    async def conversation() -> None:
        context = authority.server()
        context.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.warns(DeprecationWarning, match="TLSv1 "):
            context.minimum_version = ssl.TLSVersion.TLSv1
        async with _secure(context, OK) as (port, heard), hopping() as hop:
            with pytest.raises(NotSent) as fault:
                await hop.send(Target("https", "127.0.0.1", port, tls=Tls(ca=authority.trust)), asking())
            assert (fault.value.reason, heard) == ("tls", [])

    run(conversation())


def test_tls_to_a_plain_port_was_not_sent(run: Run) -> None:
    async def conversation() -> None:
        async def plain(line: Line) -> None:
            await line.readable()
            await line.say(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            await line.hung_up()

        async with serving(plain) as upstream, hopping() as hop:
            with pytest.raises(NotSent) as fault:
                await hop.send(upstream.target(scheme="https"), asking())
            assert fault.value.reason == "tls"

    run(conversation())


def test_a_handshake_that_never_ends_was_not_sent(run: Run) -> None:
    async def conversation() -> None:
        async with serving(Line.hung_up) as upstream, hopping() as hop:
            with pytest.raises(NotSent) as fault:
                await hop.send(upstream.target(scheme="https", connect=0.1), asking())
            assert fault.value.reason == "connect-timeout"

    run(conversation())


def test_an_answer_cut_under_tls_is_unknown(run: Run, authority: Authority) -> None:
    async def conversation() -> None:
        async with _secure(authority.server(), OK[:-1]) as (port, _), hopping() as hop:
            answer = await hop.send(Target("https", "127.0.0.1", port, tls=Tls(ca=authority.trust)), asking())
            with pytest.raises(OutcomeUnknown) as fault:
                await answer.whole(10)
            assert fault.value.reason == "cut"

    run(conversation())


def test_an_answer_that_ends_with_its_connection_is_taken_under_tls_too(run: Run, authority: Authority) -> None:
    async def conversation() -> None:
        async with _secure(authority.server(), b"HTTP/1.1 200 OK\r\n\r\nall") as (port, _), hopping() as hop:
            answer = await hop.send(Target("https", "127.0.0.1", port, tls=Tls(ca=authority.trust)), asking())
            assert answer.length_unverified
            assert await answer.whole(10) == b"all"

    run(conversation())


def test_an_identity_that_was_exchanged_is_the_one_that_new_connections_show(run: Run, authority: Authority) -> None:
    shown: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        shown.append(writer.get_extra_info("peercert")["serialNumber"])
        while await reader.read(1 << 16):
            writer.write(OK)
        writer.close()

    context = authority.server()
    context.verify_mode = ssl.CERT_REQUIRED
    authority.ca.configure_trust(context)

    async def conversation() -> None:
        with aside(serve, context=context) as port:
            async with hopping() as hop:
                target = Target("https", "127.0.0.1", port, keep_alive=timedelta(hours=1), tls=authority.identity())
                for _ in range(2):
                    assert await (await hop.send(target, asking())).whole(10) == b"ok"
                assert len(shown) == 1
                authority.identity()
                hop.read_again(target)()
                assert await (await hop.send(target, asking())).whole(10) == b"ok"
                assert len(set(shown)) == 2
                (authority.folder / "gateway.key").write_text("no key")
                with pytest.raises(ConfigInvalid, match=r"gateway\.pem cannot be used with its key"):
                    hop.read_again(target)
                assert await (await hop.send(target, asking())).whole(10) == b"ok"

    run(conversation())


def test_files_that_cannot_be_used_are_all_named_at_once(tmp_path: Path) -> None:
    text = tmp_path / "text.pem"
    text.write_text("no certificate")
    tls = Tls(ca=str(tmp_path / "missing.pem"), certificate=str(text), key=str(text))
    with pytest.raises(ConfigInvalid) as fault:
        client_context(tls)
    assert ["missing.pem" in fault.value.complaints[0], "text.pem" in fault.value.complaints[1]] == [True, True]


def test_a_key_without_a_certificate_is_named() -> None:
    with pytest.raises(ConfigInvalid) as fault:
        client_context(Tls(key="gateway.key"))
    assert "gateway.key" in fault.value.complaints[0]


def test_a_route_whose_files_cannot_be_used_is_told_at_the_start_and_sends_nothing_later(run: Run) -> None:
    async def conversation() -> None:
        async with hopping() as hop:
            target = Target("https", "127.0.0.1", 1, tls=Tls(ca="missing.pem"))
            with pytest.raises(ConfigInvalid):
                hop.open(target)
            with pytest.raises(NotSent) as fault:
                await hop.send(target, asking())
            assert fault.value.reason == "tls"

    run(conversation())
