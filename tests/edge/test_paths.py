"""One path, one reading: what would take another route upstream is refused, all else goes on byte for byte."""

import pytest

from gateway.edge.paths import ambiguous, as_others_read, usual
from tests.conftest import Begin
from tests.edge.corpus import CANARY, get, status_and_rest
from tests.raw import exchange
from tests.stage import Stage

READINGS = {
    "/a/b": "/a/b",
    "/a.b/c-d_e~f": "/a.b/c-d_e~f",
    "/%61%2D%2e%5F%7e%30%5A": "/a-._~0Z",
    "/caf%C3%A9/%20%25": "/caf%C3%A9/%20%25",
    "/a//b///c": "/a/b/c",
    "/a;v=1/b;c;d": "/a/b",
    "/a%3Bv/b": "/a/b",
    "/;/a": "/a",
}


@pytest.mark.parametrize(("path", "read"), READINGS.items())
def test_a_path_is_read_as_servers_do_that_decode_and_merge(path: str, read: str) -> None:
    assert as_others_read(path) == read
    assert as_others_read(read) == read
    assert not ambiguous(path)
    assert usual(path) <= (path == read)


@pytest.mark.parametrize(
    "path", ["/a/..", "/./a", "/%2E./a", "/..;/a", "/..%3b/a", "/%2f", "/%5C", "/%00", "/\\", "/%", "/%g0"]
)
def test_what_servers_resolve_or_decode_to_another_path_is_seen(path: str) -> None:
    assert ambiguous(path)
    assert not usual(path)


@pytest.mark.parametrize("path", ["/..a", "/a..", "/...", "/a.b", "/%20", "/%C3%A9", "/a;..", "/%25%32%65"])
def test_what_only_looks_like_it_is_not(path: str) -> None:
    assert not ambiguous(path)


TWO_RULES = """
routes:
  - name: strict
    match: {path: /pay/admin}
    upstream: {url: "http://127.0.0.1:1"}
match: {path: /pay/}
"""


def sent(stage: Stage) -> list[str]:
    return [logged.line for logged in stage.upstream.log]


@pytest.mark.parametrize(
    "target",
    [b"/pay/%61dmin", b"/pay//admin", b"/pay/;x/admin", b"/pay/admin;x", b"/pay/%3badmin/../admin"],
)
def test_a_path_that_another_route_would_rule_is_refused(at_edge: Begin, target: bytes) -> None:
    stage = at_edge(TWO_RULES)
    heard = exchange(stage.port, get(target) + CANARY.replace(b"/canary", b"/pay/canary"))
    assert status_and_rest(heard)[0] == 400
    assert b"idempotency-origin: gateway" in heard.lower()
    assert sent(stage) == []


@pytest.mark.parametrize("target", ["/pay/%7Euser//a;b=c/%41?q=%2F../%zz//", "/pay/a.b", "/pay/%20%C3%A9"])
def test_what_takes_one_route_in_every_reading_goes_on_as_it_came(at_edge: Begin, target: str) -> None:
    stage = at_edge(TWO_RULES)
    assert stage.post("k", target=target).told == "201 executed"
    assert stage.post("k", target=target.replace("?", "?x")).told in ("422 mismatch key-reused", "201 replayed")
    assert sent(stage) == [f"POST {target} HTTP/1.1"]


def test_a_route_may_let_ambiguous_paths_through_as_they_came(at_edge: Begin) -> None:
    stage = at_edge("match: {path: /files/, strip_prefix: /files, ambiguous_paths: pass}")
    paths = ["/a/../b", "/a%2Fb", "/a%5cb", "/%zz", "/%00", "/..;/c", "/a\\b", "/./d"]
    for number, path in enumerate(paths):
        assert stage.post(f"k{number}", target=f"/files{path}").told == "201 executed"
    assert stage.post("k0", target="/files/b").told == "422 mismatch key-reused"
    assert sent(stage) == [f"POST {path} HTTP/1.1" for path in paths]


@pytest.mark.parametrize("choice", ["refuse", "pass"])
def test_no_route_makes_the_name_of_a_host_of_a_path(at_edge: Begin, choice: str) -> None:
    stage = at_edge(f"match: {{path: /pay, strip_prefix: /pay, ambiguous_paths: {choice}}}")
    for target in (b"/pay//evil.example/x", b"//evil.example/pay/x"):
        assert status_and_rest(exchange(stage.port, get(target) + CANARY))[0] == 400
    assert sent(stage) == []
