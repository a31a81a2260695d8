"""Whom a token names: a good one its subject, and nobody where anything is wrong with it."""

import asyncio
import hashlib
import hmac
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from gateway.callers.jwk import read_keys
from gateway.callers.token_keys import TokenKeys
from gateway.callers.tokens import MOST, JwtVerifier
from gateway.policies.callers import KnownCaller, Quotas, with_key
from gateway.policies.tokens import ALGORITHMS, BY_TOKEN, KeyPlace, Named, TokenFault, Tokens
from tests.callers.issuer import (
    AUDIENCE,
    KINDS,
    NAME,
    Publishing,
    Seen,
    claims,
    jwk,
    key,
    pem,
    published,
    token,
    written,
)

RULE = Tokens(KeyPlace("file"), NAME, AUDIENCE, algorithms=tuple(KINDS))


def verifier(place: Callable[[], Awaitable[bytes]], rule: Tokens = RULE) -> JwtVerifier:
    return JwtVerifier(rule, TokenKeys(rule, place, Seen()))


def judged(text: str | bytes, rule: Tokens = RULE, place: Publishing | None = None) -> KnownCaller | TokenFault:
    shown = text.encode() if isinstance(text, str) else text
    return asyncio.run(verifier(place or Publishing(), rule).caller(shown))


@pytest.mark.parametrize("algorithm", KINDS)
def test_a_token_names_its_subject_whatever_kind_of_key_signed_it(algorithm: str) -> None:
    kind = KINDS[algorithm]
    who = judged(token(key(kind), algorithm, kind))
    assert who == RULE.caller("client-42")
    assert isinstance(who, KnownCaller)
    assert (who.label, who.routes) == (BY_TOKEN, None)


def test_no_token_passes_for_a_key_nor_for_another_issuers_claims_or_subjects_token() -> None:
    names = ["client-42", "jwt/client-42", 'x"], "y', "é", ""]
    rules = [RULE, Tokens(RULE.keys, "https://other/", AUDIENCE), Tokens(RULE.keys, NAME, AUDIENCE, claim="email")]
    identities = [rule.caller(name).identity for rule in rules for name in names]
    identities += [with_key(name, None, Quotas()).identity for name in names]
    assert len(set(identities)) == len(identities)


def test_a_subject_that_the_operator_names_has_its_own_routes_and_quotas_and_its_identity_alike() -> None:
    rule = Tokens(RULE.keys, NAME, AUDIENCE, named={"client-42": Named("shop", frozenset({"a"}), Quotas(3))})
    who = rule.caller("client-42")
    assert (who.label, who.routes, who.quotas) == ("shop", frozenset({"a"}), Quotas(3))
    assert who.identity == RULE.caller("client-42").identity, "an answer is kept whatever the operator says of them"
    assert rule.caller("client-43").label == BY_TOKEN


def _hmac_by(secret: bytes, kid: str) -> str:
    unsigned = written({"alg": "HS256", "kid": kid, "typ": "JWT"}, claims()).rpartition(".")[0]
    mac = hmac.digest(secret, unsigned.encode(), hashlib.sha256)
    return f"{unsigned}.{written(b'', b'', mac).rpartition('.')[2]}"


def _good(**changed: object) -> str:
    return token(key("EC"), "ES256", "EC", **changed)


NOW = int(time.time())
WRONG: dict[str, tuple[Callable[[], str], TokenFault]] = {
    "alg none": (lambda: written({"alg": "none", "kid": "RSA"}, claims()), TokenFault.ALGORITHM),
    "alg None": (lambda: written({"alg": "None", "kid": "RSA"}, claims()), TokenFault.ALGORITHM),
    "no alg": (lambda: written({"kid": "RSA"}, claims()), TokenFault.ALGORITHM),
    "alg a list": (lambda: written({"alg": ["RS256"], "kid": "RSA"}, claims()), TokenFault.ALGORITHM),
    "HMAC by the public key": (lambda: _hmac_by(pem(key("RSA")), "RSA"), TokenFault.ALGORITHM),
    "an algorithm not configured": (lambda: token(key("RSA"), "RS512", "RSA"), TokenFault.ALGORITHM),
    "a key of another kind": (lambda: token(key("EC"), "ES256", "RSA"), TokenFault.KEY),
    "unknown kid": (lambda: token(key("EC"), "ES256", "gone"), TokenFault.KEY),
    "no kid": (lambda: token(key("EC"), "ES256", None), TokenFault.KEY),
    "another one's key": (lambda: token(key("EC", 1), "ES256", "EC"), TokenFault.SIGNATURE),
    "PS256 said, RS256 signed": (lambda: _renamed("PS256"), TokenFault.SIGNATURE),
    "changed claims": (lambda: _with_claims_of(_good(sub="somebody else")), TokenFault.SIGNATURE),
    "no signature": (lambda: f"{_good().rpartition('.')[0]}.", TokenFault.SIGNATURE),
    "no exp": (lambda: _good(exp=None), TokenFault.CLAIM),
    "exp as text": (lambda: _good(exp="tomorrow"), TokenFault.MALFORMED),
    "exp beyond numbers": (lambda: _raw_claims(b'{"iss": "", "aud": "", "exp": 1e999}'), TokenFault.MALFORMED),
    "expired": (lambda: _good(exp=NOW - 31), TokenFault.EXPIRED),
    "not yet valid": (lambda: _good(nbf=NOW + 3600), TokenFault.EARLY),
    "from the future": (lambda: _good(iat=NOW + 3600), TokenFault.EARLY),
    "other issuer": (lambda: _good(iss="https://id.example.com"), TokenFault.ISSUER),
    "no issuer": (lambda: _good(iss=None), TokenFault.CLAIM),
    "other audience": (lambda: _good(aud=["reports"]), TokenFault.AUDIENCE),
    "no audience": (lambda: _good(aud=None), TokenFault.CLAIM),
    "no subject": (lambda: _good(sub=None), TokenFault.CLAIM),
    "an empty subject": (lambda: _good(sub=""), TokenFault.CLAIM),
    "too long": (lambda: _good(groups=["g" * 60] * 120), TokenFault.TOO_LONG),
    "critical": (lambda: written({"alg": "ES256", "kid": "EC", "crit": ["x"], "x": 1}, claims()), TokenFault.MALFORMED),
    "no parts": (lambda: "client-42", TokenFault.MALFORMED),
    "empty": (lambda: "", TokenFault.MALFORMED),
    "nested without end": (lambda: written(b"[" * 4000, b"{}"), TokenFault.MALFORMED),
    "not ASCII": (lambda: "é.é.é", TokenFault.MALFORMED),
}


def _renamed(algorithm: str) -> str:
    """A token whose head says another algorithm than it was signed by."""
    _, payload, signature = token(key("RSA"), "RS256", "RSA").split(".")
    return f"{written({'alg': algorithm, 'kid': 'RSA'}, {}).partition('.')[0]}.{payload}.{signature}"


def _with_claims_of(other: str) -> str:
    head, _, signature = _good().split(".")
    return f"{head}.{other.split('.')[1]}.{signature}"


def _raw_claims(payload: bytes) -> str:
    """Signed, with claims that no JSON library would write."""
    unsigned = written({"alg": "EdDSA", "kid": "OKP"}, payload).rpartition(".")[0]
    signature = key("OKP").sign(unsigned.encode())  # type: ignore[union-attr,call-arg]
    return f"{unsigned}.{written(b'', b'', signature).rpartition('.')[2]}"


@pytest.mark.parametrize("what", WRONG)
def test_a_token_names_nobody_where_anything_is_wrong_with_it(what: str) -> None:
    make, fault = WRONG[what]
    assert judged(make()) is fault


def test_clocks_may_be_apart_and_the_audience_may_be_one_of_several() -> None:
    assert isinstance(judged(_good(exp=int(time.time()) - 5, aud=["reports", AUDIENCE])), KnownCaller)


def test_a_claim_of_the_operators_choice_names_the_caller_and_has_to_be_text() -> None:
    rule = Tokens(RULE.keys, NAME, AUDIENCE, claim="client_id")
    assert judged(_good(client_id="shop"), rule) == rule.caller("shop")
    for value in (5, ["shop"], {"shop": 1}, True, None):
        assert judged(_good(client_id=value), rule) is TokenFault.CLAIM


def test_only_public_keys_of_sufficient_size_that_are_meant_for_signatures_count() -> None:
    private = key("EC")
    unfit = [
        jwk(key("short RSA"), "short"),
        jwk(private, None),
        jwk(private, "enc", use="enc"),
        jwk(private, "ops", key_ops=["encrypt"]),
        jwk(private, "other", alg="ES384"),
        jwk(key("P-384"), "curve") | {"crv": "P-256"},
        {"kty": "oct", "kid": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"},
        {"kty": "EC", "kid": "half", "crv": "P-256", "x": "AA"},
        {"kty": ["RSA"], "kid": "kind"},
        jwk(private, "good") | {"d": "AAAA"},
    ]
    place = Publishing(published(*unfit, jwk(key("EC", 1), "good")))
    names = ("short", "enc", "ops", "other", "curve", "oct", "half", "kind")
    assert {judged(token(private, "ES256", name), place=place) for name in names} == {TokenFault.KEY}
    who = judged(token(private, "ES256", "good"), place=place)
    assert isinstance(who, KnownCaller), "the first of one name, and of it the public part alone"
    assert set(read_keys(place.document, tuple(ALGORITHMS))) == {("good", "ES256")}, "a short RSA key least of all"


def test_a_good_token_is_verified_once_a_minute_and_not_beyond_its_end_or_its_keys() -> None:
    async def play() -> None:
        place = Publishing()
        rule = Tokens(KeyPlace("file"), NAME, AUDIENCE, algorithms=("ES256",), leeway=timedelta(0))
        keys = TokenKeys(rule, place, Seen())
        judge = JwtVerifier(rule, keys)
        first = _good().encode()
        who = await judge.caller(first)
        (remembered,) = judge._good.values()
        assert 0 < remembered.until - time.monotonic() <= 60
        assert await judge.caller(first) is who, "the very same: nothing was verified"
        assert first not in b"".join(judge._good), "by digest alone"
        ending = _good(exp=int(time.time()) + 2).encode()
        assert isinstance(await judge.caller(ending), KnownCaller)
        assert list(judge._good.values())[-1].until - time.monotonic() <= 2
        place.document = published(jwk(key("EC", 1), "EC"))
        await asyncio.wait([keys._read()])
        assert await judge.caller(first) is TokenFault.SIGNATURE, "its key was taken back"
        assert hashlib.sha256(first).digest() not in judge._good

    asyncio.run(play())


def test_no_more_tokens_are_remembered_than_there_is_room_for() -> None:
    judge = verifier(Publishing())
    for number in range(MOST + 10):
        judge._remember(str(number).encode(), RULE.caller("x"), NOW + 300)
    assert len(judge._good) == MOST
    assert b"9" not in judge._good
    assert b"10" in judge._good
