"""TLS on the data listener: the same guard, the same deadlines, the same answers."""

import json
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from gateway.config.load import load
from gateway.edge.tls import server_context
from gateway.errors import ConfigInvalid
from gateway.policies.routing import Tls
from tests.edge.callers import too_slow, until
from tests.edge.corpus import AMBIGUOUS, CANARY, NOT_CARRIED, POST, get, status_and_rest
from tests.raw import connect, read_to_end
from tests.stage import Stage, playing
from tests.upstream import Play, Upstream, answer, running_upstream

SHORT = "downstream: {timeout: {head: 2s, body: 2s, answer: 500ms}}"


@dataclass(frozen=True, slots=True)
class Secured:
    """A gateway behind TLS, and whoever trusts it."""

    stage: Stage
    context: ssl.SSLContext

    def connect(self) -> ssl.SSLSocket:
        return self.context.wrap_socket(connect(self.stage.port), server_hostname="gateway.example")

    def exchange(self, data: bytes) -> bytes:
        with self.connect() as connection:
            connection.sendall(data)
            return read_to_end(connection)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, Path]:
    """An authority, and a folder with ``certificate`` and ``key``."""
    authority, folder = trustme.CA(), tmp_path_factory.mktemp("tls")
    leaf = authority.issue_cert("gateway.example")
    leaf.cert_chain_pems[0].write_to_path(folder / "certificate")
    leaf.private_key_pem.write_to_path(folder / "key")
    return authority, folder


@pytest.fixture(scope="module")
def secured(files: tuple[trustme.CA, Path]) -> Iterator[Secured]:
    authority, folder = files
    context = ssl.create_default_context()
    authority.configure_trust(context)
    tls = f"{{certificate: 'file://{folder}/certificate', key: 'file://{folder}/key'}}"
    text = f"{SHORT}\nlisten: {{address: '127.0.0.1:0', tls: {tls}}}\nupstream: {{forwarded: true}}"
    with running_upstream() as upstream, playing(upstream, "memory:", folder, text) as stage:
        yield Secured(stage, context)


@pytest.mark.parametrize("data", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_ambiguous_http_is_refused_inside_of_tls_too(secured: Secured, data: bytes) -> None:
    before = len(secured.stage.upstream.log)
    status, rest = status_and_rest(secured.exchange(data + CANARY))
    assert (status, json.loads(rest)["type"]) == (400, "urn:idempotency-gateway:problem:bad-request")
    assert len(secured.stage.upstream.log) == before


@pytest.mark.parametrize(("data", "status", "problem"), NOT_CARRIED.values(), ids=NOT_CARRIED)
def test_what_is_not_carried_is_refused_inside_of_tls_too(
    secured: Secured, data: bytes, status: int, problem: str
) -> None:
    before = len(secured.stage.upstream.log)
    told, rest = status_and_rest(secured.exchange(data + CANARY))
    assert (told, json.loads(rest)["type"].rpartition(":")[2]) == (status, problem)
    assert len(secured.stage.upstream.log) == before


def test_a_call_is_guarded_and_its_scheme_is_told_and_kept(secured: Secured) -> None:
    upstream = secured.stage.upstream
    before = len(upstream.log)
    there = ("Location", f"http://127.0.0.1:{upstream.port}/charges/1")
    upstream.then(Play(answer(201, b"made", there)))
    call = POST.replace(b": k", b": over-tls\r\nConnection: close") + b"Content-Length: 2\r\n\r\n{}"
    for outcome in (b"executed", b"replayed"):
        heard = secured.exchange(call)
        assert status_and_rest(heard) == (201, b"made")
        assert b"Idempotency-Status: %b" % outcome in _titled(heard)
        assert b"Location: https://x/charges/1" in _titled(heard)
    assert len(upstream.log) == before + 1
    assert upstream.log[-1].all("x-forwarded-proto") == ["https"]


def _titled(heard: bytes) -> bytes:
    """uvicorn writes field names in small letters."""
    return heard.replace(b"idempotency-status", b"Idempotency-Status").replace(b"location", b"Location")


def test_plain_bytes_and_old_tls_get_no_further_than_the_handshake(secured: Secured) -> None:
    before = len(secured.stage.upstream.log)
    with connect(secured.stage.port) as connection:
        connection.sendall(CANARY)
        assert b"HTTP/1.1" not in _all(connection)
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with connect(secured.stage.port) as connection, pytest.raises(ssl.SSLError):
        old.wrap_socket(connection)
    assert len(secured.stage.upstream.log) == before


def _all(connection: socket.socket) -> bytes:
    try:
        return read_to_end(connection)
    except ConnectionResetError:
        return b""


def test_a_silent_handshake_and_a_silent_caller_are_given_up(secured: Secured) -> None:
    with connect(secured.stage.port) as silent, secured.connect() as connected:
        assert _all(silent) == b""
        assert _all(connected) == b""
    assert too_slow(secured.stage, "silent") == 1


def test_a_reader_that_stands_still_inside_of_tls_is_given_up(secured: Secured) -> None:
    secured.stage.upstream.then(Play(answer(200, bytes(12_000_000))))
    with secured.connect() as connection:
        connection.sendall(get(b"/large"))
        until(lambda: too_slow(secured.stage, "answer") == 1)


@pytest.mark.parametrize(
    ("certificate", "key"), [("key", "key"), ("certificate", "certificate"), ("gateway.yaml", "key")]
)
def test_files_that_do_not_belong_together_are_told_at_the_start(
    files: tuple[trustme.CA, Path], certificate: str, key: str
) -> None:
    folder = files[1]
    (folder / "gateway.yaml").touch()
    with pytest.raises(ConfigInvalid, match=r"listen\.tls: The certificate .* cannot be used with its key"):
        server_context(Tls(None, str(folder / certificate), str(folder / key)))


def test_a_configuration_with_tls_is_good(files: tuple[trustme.CA, Path], upstream: Upstream, tmp_path: Path) -> None:
    file, folder = tmp_path / "tls.yaml", files[1]
    file.write_text(
        f"listen: {{tls: {{certificate: 'file://{folder}/certificate', key: 'file://{folder}/key'}}}}\n"
        f"routes: [{{name: a, upstream: {{url: 'http://127.0.0.1:{upstream.port}'}}}}]\n"
    )
    assert load(file, {}, {}).listen_tls == Tls(None, f"{folder}/certificate", f"{folder}/key")
