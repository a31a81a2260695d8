"""What is said of a route's match and upstream, and where."""

from pathlib import Path

import pytest

from tests.config.reading import ROUTE, cases, of_match, of_upstream, said

MATCHES = {
    "has no effect: the gateway itself answers /.well-known/idempotency; choose another path": [
        ("{path: /.well-known/idempotency}", "4:13: routes.0.match.path"),
    ],
    "must be HOST or HOST:PORT as callers send it, such as pay.internal; patterns are not known": [
        ("{host: '*.x'}", "4:13: routes.0.match.host"),
        ("{host: 'a b'}", "4:13: routes.0.match.host"),
    ],
    "must be text; put a number, a date or a word with a meaning of its own in quotes": [
        ("{host: 5}", "4:13: routes.0.match.host"),
    ],
    "must be a plain prefix, such as /v1/, which covers all that is below it; patterns are not known": [
        ("{path: /v1/*}", "4:13: routes.0.match.path"),
        ("{path: /v1/*/charges}", "4:13: routes.0.match.path"),
        ("{path: /**}", "4:13: routes.0.match.path"),
    ],
    "must begin with a slash, such as /v1/": [
        ("{path: v1}", "4:13: routes.0.match.path"),
        ("{strip_prefix: v1}", "4:13: routes.0.match.strip_prefix"),
    ],
    (
        "must be a plain path: no query, space, dot segment, double slash or encoded slash, and '%' before "
        "two hex digits only"
    ): [
        ("{path: /a b}", "4:13: routes.0.match.path"),
        ("{path: /a/../b}", "4:13: routes.0.match.path"),
        ("{path: /a//b}", "4:13: routes.0.match.path"),
        ("{path: /a%2Fb}", "4:13: routes.0.match.path"),
        ("{path: '/a?b'}", "4:13: routes.0.match.path"),
        ("{path: /%zz}", "4:13: routes.0.match.path"),
    ],
    "must be refuse or pass": [
        ("{ambiguous_paths: allow}", "4:13: routes.0.match.ambiguous_paths"),
    ],
    "must be a list, such as [a, b]": [
        ("{methods: GET}", "4:13: routes.0.match.methods"),
    ],
    "there is no such setting; did you mean path?": [
        ("{pth: /}", "4:13: routes.0.match.pth"),
    ],
    "must hold settings of its own, as a mapping": [
        ("[]", "4:5: routes.0.match"),
    ],
    "has no effect: every path begins with a slash; remove it": [
        ("{strip_prefix: /}", "4:13: routes.0.match.strip_prefix"),
    ],
    (
        "is not where match.path (/v10/) begins, up to a slash, so that it would not always apply; make "
        "match.path begin with it"
    ): [
        ("{path: /v10/, strip_prefix: /v1}", "4:26: routes.0.match.strip_prefix"),
    ],
    (
        "holds none of the methods that the policy guards, so that nothing is guarded here; add one, or "
        "write policy.methods: [] if that is meant"
    ): [
        ("{methods: [GET]}", "4:13: routes.0.match.methods"),
    ],
}

UPSTREAMS = {
    "must hold settings of its own, as a mapping": [
        ("timeout: 5s", "5:7: routes.0.upstream.timeout"),
        ("headers: {set: [a]}", "5:17: routes.0.upstream.headers.set"),
    ],
    "must be longer than 0s": [
        ("timeout: {connect: 0s}", "5:17: routes.0.upstream.timeout.connect"),
        ("timeout: {idle: 0s}", "5:17: routes.0.upstream.timeout.idle"),
        ("timeout: {total: 0s}", "5:17: routes.0.upstream.timeout.total"),
    ],
    "is longer than timeout.total (90s), which ends the call; shorten it, or lengthen timeout.total": [
        ("timeout: {connect: 91s}", "5:17: routes.0.upstream.timeout.connect"),
        ("timeout: {response: 100s}", "5:17: routes.0.upstream.timeout.response"),
    ],
    "is longer than timeout.total (0.05s), which ends the call; shorten it, or lengthen timeout.total": [
        ("timeout: {response: 100ms, total: 50ms}", "5:17: routes.0.upstream.timeout.response"),
    ],
    "must be a duration: a whole number and ms, s, m, h or d, such as 250ms, 30s, 24h or 30d": [
        ("keep_alive: 1", "5:7: routes.0.upstream.keep_alive"),
    ],
    "must be a whole number from 1 to 65535": [
        ("max_connections: 0", "5:7: routes.0.upstream.max_connections"),
    ],
    "must be true or false": [
        ("forwarded: 'yes'", "5:7: routes.0.upstream.forwarded"),
    ],
    "must be file:///path, with the absolute path of a file": [
        ("tls: {ca: /etc/ca}", "5:13: routes.0.upstream.tls.ca"),
    ],
    "names '/none/ca', which cannot be read: No such file or directory": [
        ("tls: {ca: file:///none/ca}", "5:13: routes.0.upstream.tls.ca"),
    ],
    "names '/a/\\\\0', which cannot be read: No such file or directory": [
        ("tls: {ca: 'file:///a/\\0'}", "5:13: routes.0.upstream.tls.ca"),
    ],
    "names '/a\\x00', which cannot be read: it is no path": [
        ('tls: {ca: "file:///a\\0"}', "5:13: routes.0.upstream.tls.ca"),
    ],
    "must be text, or file:///path of a file that holds it; put numbers and dates in quotes": [
        ("headers: {set: {X: 5}}", "5:23: routes.0.upstream.headers.set.X"),
    ],
    "has space or a line's end around it; remove that, also in the file that it may name": [
        ("headers: {set: {X: ' a'}}", "5:23: routes.0.upstream.headers.set.X"),
    ],
    "must be one line of printable ASCII": [
        ("headers: {set: {X: é}}", "5:23: routes.0.upstream.headers.set.X"),
    ],
    "must be a header name, such as Idempotency-Key": [
        ("headers: {set: {'a b': x}}", "5:23: routes.0.upstream.headers.set.a b"),
    ],
    "is written by the gateway itself; remove it": [
        ("headers: {set: {Host: x}}", "5:23: routes.0.upstream.headers.set.Host"),
        ("headers: {set: {Idempotency-Status: x}}", "5:23: routes.0.upstream.headers.set.Idempotency-Status"),
        ("headers: {set: {Idempotency-Key: x}}", "5:23: routes.0.upstream.headers.set.Idempotency-Key"),
        ("headers: {set: {Forwarded: x}}\nforwarded: true", "5:23: routes.0.upstream.headers.set.Forwarded"),
    ],
    "is set twice, in other letters; keep one": [
        ("headers: {set: {X-A: a, x-a: b}}", "5:31: routes.0.upstream.headers.set.x-a"),
    ],
    "holds X-a, which headers.set replaces anyway; remove one of them": [
        ("headers: {remove: [X-A], set: {X-a: x}}", "5:17: routes.0.upstream.headers.remove"),
    ],
    "holds Host, which the gateway never passes on as it came; remove it": [
        ("headers: {remove: [Host]}", "5:17: routes.0.upstream.headers.remove"),
    ],
    "holds Idempotency-Key, in which the key goes upstream; write upstream_key: drop instead": [
        ("headers: {remove: [Idempotency-Key]}", "5:17: routes.0.upstream.headers.remove"),
    ],
    (
        "there is no such setting; known here: believe_refusals, forwarded, headers, http, keep_alive, "
        "max_connections, proxy, proxy_ca, refuse_private_addresses, timeout, tls, url"
    ): [
        ("nowhere: x", "5:7: routes.0.upstream.nowhere"),
    ],
}


@pytest.mark.parametrize(("text", "told"), cases(MATCHES))
def test_a_match_is_told_with_its_place_and_what_to_do(tmp_path: Path, text: str, told: list[str]) -> None:
    assert said(tmp_path, of_match(text)) == told


@pytest.mark.parametrize(("text", "told"), cases(UPSTREAMS))
def test_an_upstream_is_told_with_its_place_and_what_to_do(tmp_path: Path, text: str, told: list[str]) -> None:
    assert said(tmp_path, of_upstream(text)) == told


def test_a_call_that_may_outlast_what_the_upstream_remembers_is_never_sent_again(tmp_path: Path) -> None:
    policy = "    policy: {on_unknown: retry, upstream_retention: 60s}\n"
    told = (
        "routes.0.upstream.timeout.total: has a call last longer than upstream_retention (60s), so that none is ever "
        "sent again; shorten it, or write on_unknown: hold"
    )
    assert said(tmp_path, of_upstream("timeout: {total: 60s}") + policy) == [f"5:17: {told}"]
    assert said(tmp_path, of_upstream("timeout: {total: 59s}") + policy) == []
    (default,) = said(tmp_path, of_upstream("keep_alive: 1s") + policy)
    assert default.endswith(told)


_NONE_MORE = "has no effect: there are {} calls at once in all; lower it, or remove it"


@pytest.mark.parametrize(
    ("calls", "place", "told"),
    [
        (
            "{max: 5000}",
            "4:13: routes.0.calls.max",
            "has no effect: downstream.max_calls lets all routes together have 4096; lower it, or raise that",
        ),
        ("{max: 10, per_caller: 11}", "4:22: routes.0.calls.per_caller", _NONE_MORE.format(10)),
        ("{per_caller: 5000}", "4:13: routes.0.calls.per_caller", _NONE_MORE.format(4096)),
        ("{per_caller: 0}", "4:13: routes.0.calls.per_caller", "must be a whole number from 1 to 1000000"),
    ],
)
def test_a_cap_without_effect_is_told(tmp_path: Path, calls: str, place: str, told: str) -> None:
    assert said(tmp_path, f"{ROUTE}    calls: {calls}\n") == [f"{place}: {told}"]


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "10.1.2.3", "[::ffff:169.254.169.254]"])
def test_a_route_that_refuses_its_own_address_is_told(tmp_path: Path, host: str) -> None:
    (told,) = said(tmp_path, of_upstream("refuse_private_addresses: true", f"http://{host}"))
    assert told.startswith("5:7: routes.0.upstream.refuse_private_addresses: refuses the address of url itself (")
    assert said(tmp_path, of_upstream("refuse_private_addresses: true", "http://api.example.com")) == []
