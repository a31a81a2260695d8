"""What is said of callers: whom two lines mean, what keeps nobody out, and what would take a key for something else."""

import hashlib
from pathlib import Path

import pytest

from gateway.config.load import check
from tests.config.reading import ROUTE, cases, file, loaded, of_policy, said

ONE, OTHER = (f"sha256:{hashlib.sha256(key).hexdigest()}" for key in (b"one", b"other"))
SHOP = f"callers: [{{name: shop, key: {ONE}}}]\n"
EMPTY = f"sha256:{hashlib.sha256(b'').hexdigest()}"

ALONE = {
    "lets nobody in; add one, or remove it, and whoever reaches the gateway may call": [
        ("callers: []", "1:1: callers")
    ],
    "has no effect: there are no callers; add them, or remove it": [("caller_header: X-Key", "1:1: caller_header")],
    "has no key, so that nobody can be it; add key: sha256:HEX": [("callers: [{name: a}]", "1:11: callers.0")],
    "is required; add it": [(f"callers: [{{key: {ONE}}}]", "1:11: callers.0.name")],
    "must be sha256: and 64 hexadecimal digits, as idempotency-gateway caller-key prints it": [
        ("callers: [{name: a, key: a-key-and-no-digest}]", "1:21: callers.0.key"),
        ("callers: [{name: a, keys: ['sha256:abc']}]", "1:28: callers.0.keys.0"),
        (f"callers: [{{name: a, key: '{ONE[:-1]}'}}]", "1:21: callers.0.key"),
    ],
    "is the digest of an empty key; make one with: idempotency-gateway caller-key --name NAME": [
        (f"callers: [{{name: a, key: {EMPTY}}}]", "1:21: callers.0.key"),
    ],
    "must be sha256:HEX, or file:///path of a file that holds it": [
        ("callers: [{name: a, key: 5}]", "1:21: callers.0.key"),
    ],
    "must be file:///path, with the absolute path of a file": [
        ("callers: [{name: a, key: file:shop}]", "1:21: callers.0.key"),
    ],
    "is the name of caller 0 too; give it one of its own": [
        (f"{SHOP[:-2]}, {{name: shop, key: {OTHER}}}]", "1:104: callers.1.name"),
    ],
    "holds a key that caller 0 has already; make another one": [
        (f"{SHOP[:-2]}, {{name: bar, key: {ONE}}}]", "1:115: callers.1.key"),
    ],
    "holds a key that this caller has already; make another one": [
        (f"callers: [{{name: shop, key: {ONE}, keys: [{ONE}]}}]", "1:109: callers.0.keys.0"),
    ],
    "has no effect: downstream.max_calls lets all callers together have 4096; lower it, or raise that": [
        (f"callers: [{{name: a, key: {OTHER}, quotas: {{calls: 5000}}}}]", "1:108: callers.0.quotas.calls"),
    ],
    "must be a whole number from 1 to 1000000": [
        (f"callers: [{{name: a, key: {OTHER}, quotas: {{stored_keys: 0}}}}]", "1:108: callers.0.quotas.stored_keys"),
    ],
    "must be a rate: a whole number, '/' and s, m or h, such as 50/s or 600/m": [
        (f"callers: [{{name: a, key: {OTHER}, quotas: {{rate: 50}}}}]", "1:108: callers.0.quotas.rate"),
        (f"callers: [{{name: a, key: {OTHER}, quotas: {{rate: 0/s}}}}]", "1:108: callers.0.quotas.rate"),
        ("limits: {refusals: 5/d}", "1:10: limits.refusals"),
    ],
    "has no effect: nothing is counted; add refusals, or callers, or remove it": [
        ("limits: {redis: 'redis://r'}", "1:10: limits.redis"),
    ],
    "must begin with redis://, rediss://, redis+sentinel://, rediss+sentinel:// or redis+unix://": [
        ("limits: {redis: 'http://r'}", "1:10: limits.redis"),
    ],
    "is no route; there are: a": [
        (f"callers: [{{name: a, key: {OTHER}, routes: [b]}}]", "1:108: callers.0.routes.0"),
    ],
    "lets this caller use no route; name some, or remove the caller": [
        (f"callers: [{{name: a, key: {OTHER}, routes: []}}]", "1:99: callers.0.routes"),
    ],
    "cannot be Authorization, which means something else already; name another header, such as X-Gateway-Key": [
        (f"{SHOP}caller_header: Authorization", "2:1: caller_header"),
    ],
    "cannot be Connection, which means something else already; name another header, such as X-Gateway-Key": [
        (f"{SHOP}caller_header: Connection", "2:1: caller_header"),
    ],
}

WHO = "holds {}, by which a caller shows who they are, and which they may change; {}"
IN_POLICY = {
    WHO.format("X-Gateway-Key", "name another header"): [
        ("key: {header: X-Gateway-Key}", "5:13: routes.0.policy.key.header"),
        ("upstream_key: {header: X-Gateway-Key}", "5:22: routes.0.policy.upstream_key.header"),
    ],
    WHO.format("x-gateway-key", "take it out"): [
        ("fingerprint: {headers: [x-gateway-key]}", "5:21: routes.0.policy.fingerprint.headers"),
    ],
    WHO.format("X-Gateway-Key", "take it out: the caller is part of the scope by itself"): [
        ("scope: {headers: [X-Gateway-Key]}", "5:15: routes.0.policy.scope.headers"),
    ],
}


@pytest.mark.parametrize(("text", "told"), cases(ALONE))
def test_what_is_said_of_callers_is_told_with_its_place_and_what_to_do(
    tmp_path: Path, text: str, told: list[str]
) -> None:
    assert said(tmp_path, f"{text}\n{ROUTE}") == told


@pytest.mark.parametrize(("text", "told"), cases(IN_POLICY))
def test_a_policy_takes_no_callers_key_for_something_else(tmp_path: Path, text: str, told: list[str]) -> None:
    assert said(tmp_path, of_policy(text) + SHOP) == told
    assert said(tmp_path, of_policy(text)) == [], "without callers it is a header like any other"


def test_a_route_that_looks_at_no_credential_is_nobodys(tmp_path: Path) -> None:
    open_route = f"{ROUTE}    callers: none\n"
    no_effect = "has no effect: callers: none stands on every route; remove it there, or here"
    assert said(tmp_path, open_route + SHOP) == [f"5:1: callers: {no_effect}"]
    told = "has no effect: no callers are configured; add them, or remove it"
    assert said(tmp_path, open_route) == [f"4:5: routes.0.callers: {told}"]
    other = "  - {name: b, match: {path: /b}, upstream: {url: 'http://u'}, callers: none}\n"
    both = ROUTE.replace("routes:\n", f"routes:\n{other}")
    theirs = f"callers: [{{name: shop, key: {ONE}, routes: [b]}}]\n"
    none = "has no effect: that route has callers: none; remove one of them"
    assert said(tmp_path, both + theirs) == [f"5:111: callers.0.routes.0: {none}"]
    assert said(tmp_path, both + SHOP) == []


def test_callers_are_kept_apart_without_any_header(tmp_path: Path) -> None:
    apart = of_policy("scope: {on_change: separate, headers: []}")
    assert said(tmp_path, apart + SHOP) == []
    assert loaded(tmp_path, apart + SHOP).routes.routes[0].policy.recipe.scope == (":caller",)
    (told,) = said(tmp_path, apart)
    assert "cannot be separate without scope.headers" in told
    (told,) = said(tmp_path, f"{apart}callers: [{{name: 5}}]\n")
    assert told.startswith("6:12: callers.0.name: "), "of callers that could not be read, nothing else is concluded"


def test_a_file_of_keys_may_hold_several_or_none_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "shop-key"
    text = f"callers: [{{name: shop, key: 'file://{path}'}}]\n{ROUTE}"
    for good in (f"{ONE}\n", f"{ONE}\r\n\n {OTHER} \n", ""):
        path.write_text(good)
        assert check(file(tmp_path, text), {}) == ()
    path.write_text(f"{ONE}\nsecret-text\n")
    (told,) = said(tmp_path, text)
    assert told == (
        f"1:24: callers.0.key: names {path}, where every line must be sha256: and 64 hexadecimal digits, as "
        "idempotency-gateway caller-key prints it"
    )
    path.unlink()
    (told,) = said(tmp_path, text)
    assert told == f"1:24: callers.0.key: names '{path}', which cannot be read: No such file or directory"


@pytest.mark.parametrize(
    ("by", "place"),
    [
        (f"callers: [{{name: shop, key: {ONE}, quotas: {{stored_keys: 5}}}}]\n", "callers.0.quotas.stored_keys"),
        (
            "jwt: {jwks: 'https://id/', issuer: a, audience: b, quotas: {stored_keys: 5}}\n",
            "jwt.quotas.stored_keys",
        ),
    ],
    ids=["callers", "jwt"],
)
def test_a_quota_of_stored_keys_has_no_effect_where_none_is_stored(tmp_path: Path, by: str, place: str) -> None:
    assert said(tmp_path, ROUTE + by) == []
    none = "has no effect: no route that they may use guards a call, so that no key of theirs is stored; remove it"
    assert f"{place}: {none}" in [line.partition(": ")[2] for line in said(tmp_path, of_policy("methods: []") + by)]
