"""Where a call goes is the route's to say: no proxy of the environment, no redirect, no caller changes it."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Begin
from tests.process import anywhere, serving
from tests.stage import call
from tests.upstream import Play, Upstream, answer


@pytest.fixture
def elsewhere() -> Iterator[socket.socket]:
    """Somewhere that nothing may connect to."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield listening


def untouched(listening: socket.socket) -> bool:
    try:
        listening.accept()
    except BlockingIOError:
        return True
    return False


def test_proxies_that_the_environment_names_are_not_used(
    upstream: Upstream, elsewhere: socket.socket, tmp_path: Path
) -> None:
    proxy = f"http://127.0.0.1:{elsewhere.getsockname()[1]}"
    names = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    environ = {**dict.fromkeys(names, proxy), "no_proxy": "", "NO_PROXY": ""}
    with serving(*anywhere(upstream.port), folder=tmp_path, environ=environ) as served:
        for key in ([("Idempotency-Key", "k")], []):
            assert call(served.port, "POST", "/charges", list(key), b"{}").status == 201
        assert served.stop() == 0
    assert len(upstream.log) == 2
    assert untouched(elsewhere)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("key", ["k", None])
def test_no_redirect_is_followed(at_edge: Begin, elsewhere: socket.socket, status: int, key: str | None) -> None:
    stage = at_edge()
    there = f"http://127.0.0.1:{elsewhere.getsockname()[1]}/charges"
    stage.upstream.then(Play(answer(status, b"", ("Location", there))))
    heard = stage.post(key)
    assert (heard.status, heard.get("location")) == (status, there)
    assert len(stage.upstream.log) == 1
    assert untouched(elsewhere)


def test_nothing_that_a_caller_sends_chooses_where_its_call_goes(at_edge: Begin, elsewhere: socket.socket) -> None:
    stage = at_edge()
    name = f"127.0.0.1:{elsewhere.getsockname()[1]}"
    fields = [("X-Forwarded-Host", name), ("Forwarded", f"host={name}"), ("X-Original-URL", f"http://{name}/")]
    fields += [("X-Rewrite-URL", "/x"), ("X-Http-Method-Override", "DELETE"), ("Proxy-Connection", "keep-alive")]
    lines = [("Host", name), ("Idempotency-Key", "k"), *fields]
    assert call(stage.port, "POST", "/charges", lines, b"{}").status in (201, 400)
    assert stage.post("l", b"{}", *fields).told == "201 executed"
    assert stage.upstream.log[-1].line == "POST /charges HTTP/1.1"
    assert stage.upstream.log[-1].all("host") == [f"127.0.0.1:{stage.upstream.port}"]
    assert untouched(elsewhere)


def test_a_private_upstream_is_refused_where_the_route_says_so(at_edge: Begin) -> None:
    stage = at_edge("upstream: {url: 'http://localhost:1', refuse_private_addresses: true}")
    for heard in (stage.post("k"), stage.send("GET", "/", body=None)):
        assert heard.status == 503
        assert "is at an address that this gateway does not call" in heard.problem["detail"]
        assert "127.0.0.1" not in heard.problem["detail"]
    assert stage.metric('idempotency_gateway_not_sent_total{reason="private-address",route="api"}') == 2
