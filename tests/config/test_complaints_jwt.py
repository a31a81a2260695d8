"""What is said of tokens: algorithms that let anybody in, keys on an open way, times that cannot hold, no effect."""

from pathlib import Path

import pytest

from gateway.config.load import check
from gateway.policies.tokens import BY_TOKEN, KeyPlace, Named
from gateway.wiring.proving import unusable
from tests.config.reading import ROUTE, cases, file, loaded, of_policy, said

KEY = f"sha256:{'ab' * 32}"
OTHER = "name: b, match: {path: /b}, upstream: {url: 'http://u'}"


def jwt(more: str = "", jwks: str = "https://id.example.com/keys") -> str:
    return f"jwt:\n  issuer: https://id/\n  audience: api\n  jwks: {jwks}\n{f'  {more}' if more else ''}\n"


ALONE = {
    "is made with a shared secret, with which the gateway could make tokens itself; remove it": [
        (jwt("algorithms: [RS256, HS256]"), "5:23: jwt.algorithms.1"),
        (jwt("algorithms: [hs512]"), "5:16: jwt.algorithms.0"),
    ],
    "is no signature, so that anybody could make tokens; remove it": [
        (jwt("algorithms: [none]"), "5:16: jwt.algorithms.0"),
    ],
    (
        "is none that tokens may be signed by; there are: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, "
        "ES512, EdDSA"
    ): [(jwt("algorithms: [ES256K]"), "5:16: jwt.algorithms.0")],
    "lets no token in; name some, such as [RS256], or leave it out": [(jwt("algorithms: []"), "5:3: jwt.algorithms")],
    "must begin with https:// or file:///, because whoever forges keys forges callers": [
        (jwt(jwks="http://id/keys"), "4:3: jwt.jwks"),
    ],
    "must not hold a user or password; set them as a header in upstream.headers.set": [
        (jwt(jwks="https://a:hunter2@id/keys"), "4:3: jwt.jwks"),
    ],
    "names '/nowhere/jwks', which cannot be read: No such file or directory": [
        (jwt(jwks="file:///nowhere/jwks"), "4:3: jwt.jwks"),
    ],
    "is required; add it": [("jwt: {jwks: 'https://id/', issuer: a}", "1:1: jwt.audience")],
    "is longer than 5m, for which a token that has ended would count on; shorten it": [
        (jwt("leeway: 6m"), "5:3: jwt.leeway"),
    ],
    "is shorter than 1s; lengthen it": [(jwt("refresh: 0s"), "5:3: jwt.refresh")],
    "lets no reading fail: max_age has to be twice as long as refresh, or longer": [
        (jwt("max_age: 9m"), "5:3: jwt.max_age"),
        (jwt("refresh: 31m"), "5:3: jwt.refresh"),
    ],
    "has no effect: the keys are in a file; remove it": [
        (jwt("ca: file:///dev/null", jwks="file:///dev/null"), "5:3: jwt.ca"),
    ],
    "cannot be Cookie, which means something else already; name another header": [
        (jwt("header: Cookie"), "5:3: jwt.header"),
    ],
    "is the header of callers' keys (caller_header) too; name another one": [
        (jwt("header: x-gateway-key"), "5:3: jwt.header"),
    ],
    "is no route; there are: a": [(jwt("routes: [b]"), "5:12: jwt.routes.0")],
    "has no effect: downstream.max_calls lets all callers together have 4096; lower it, or raise that": [
        (jwt("quotas: {calls: 5000}"), "5:12: jwt.quotas.calls"),
    ],
    "has no effect: no caller has a key; remove it": [
        (jwt() + "caller_header: X-Key", "6:1: caller_header"),
    ],
    "has no effect: no token counts; add jwt, or give this caller a key": [
        ("callers: [{name: a, subject: x}]", "1:21: callers.0.subject"),
    ],
    "stands beside a key, and a token's caller is never a key's; make two callers of this one": [
        (f"{jwt()}callers: [{{name: a, key: {KEY}, subject: x}}]", "6:99: callers.0.subject"),
    ],
    "is the subject of caller 0 too; give each one of their own": [
        (f"{jwt()}callers: [{{name: a, subject: x}}, {{name: b, subject: x}}]", "6:44: callers.1.subject"),
    ],
}


@pytest.mark.parametrize(("text", "told"), cases(ALONE))
def test_what_is_said_of_tokens_is_told_with_its_place_and_what_to_do(
    tmp_path: Path, text: str, told: list[str]
) -> None:
    assert said(tmp_path, f"{text}\n{ROUTE}") == told


def test_a_route_that_looks_at_no_credential_is_no_token_callers(tmp_path: Path) -> None:
    no_effect = "has no effect: callers: none stands on every route; remove it there, or here"
    assert said(tmp_path, f"{jwt()}{ROUTE}    callers: none\n") == [f"1:1: jwt: {no_effect}"]
    two = f"{ROUTE}  - {{{OTHER}, callers: none}}\n"
    none = "has no effect: that route has callers: none; remove one of them"
    assert said(tmp_path, jwt("routes: [a, b]") + two.replace("name: a\n", "name: a\n    match: {path: /a}\n")) == [
        f"5:15: jwt.routes.1: {none}"
    ]


def test_the_header_of_tokens_is_no_part_of_a_scope_and_ends_here_unless_it_is_passed_on(tmp_path: Path) -> None:
    (route,) = loaded(tmp_path, jwt() + ROUTE).routes.routes
    assert route.policy.recipe.scope == ("x-api-key", ":caller")
    assert {b"authorization", b"x-gateway-key"} <= route.target.remove_headers
    (route,) = loaded(tmp_path, jwt("forward: true") + ROUTE).routes.routes
    assert b"authorization" not in route.target.remove_headers
    (told,) = said(tmp_path, of_policy("scope: {headers: [Authorization]}") + jwt())
    assert "holds Authorization, by which a caller shows who they are" in told


def test_what_is_said_of_tokens_is_what_is_built(tmp_path: Path) -> None:
    text = jwt("routes: []", jwks="'https://id.example.com:8443/keys?p=1'")
    tokens = loaded(tmp_path, f"{text}callers: [{{name: shop, subject: s, routes: [a]}}]\n{ROUTE}").tokens
    assert tokens is not None
    assert tokens.keys.place == "https://id.example.com:8443/keys?p=1"
    assert tokens.keys.target is not None
    assert tokens.keys.target.origin == "https://id.example.com:8443"
    assert tokens.named == {"s": Named("shop", frozenset({"a"}))}
    assert tokens.others == Named(BY_TOKEN, frozenset())
    assert loaded(tmp_path, ROUTE).tokens is None
    path = tmp_path / "jwks.json"
    path.write_text("{}")
    from_file = loaded(tmp_path, jwt(jwks=f"file://{path}") + ROUTE).tokens
    assert from_file is not None
    assert from_file.keys == KeyPlace(str(path))


def test_authorities_that_are_none_are_told_by_check(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text("none")
    (told,) = check(file(tmp_path, jwt(f"ca: file://{path}") + ROUTE), {}, unusable)
    assert told.split(": ", 1)[1].startswith(f"jwt.ca: The authorities in {path} cannot be used")
