"""Callers who show a token: let in by their issuer's keys as they are published, and by nothing else."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.protocol.fingerprint import key_digest
from tests.callers.issuer import AUDIENCE, NAME, jwk, key, published, token, whole_set
from tests.callers.jwks_server import JwksServer, publishing
from tests.edge.callers import until
from tests.process import Served, serving
from tests.scenarios.test_canaries import dump, found
from tests.stage import Heard, Stage, call, metric, playing
from tests.upstream import Upstream

SHOP = "igk_the-key-of-the-shop-01"
REFUSALS = "idempotency_gateway_caller_refusals_total"
READ, UNREAD = (f"idempotency_gateway_token_keys_{what}_total" for what in ("read", "unread"))

JWT = """
jwt:
  jwks: {url}
  ca: file://{ca}
  issuer: {issuer}
  audience: {audience}
  refresh: {refresh}
  max_age: {max_age}
{more}
"""


def jwt(server: JwksServer, refresh: str = "1h", max_age: str = "2h", more: str = "") -> str:
    return JWT.format(
        url=server.url, ca=server.ca, issuer=NAME, audience=AUDIENCE, refresh=refresh, max_age=max_age, more=more
    )


def bearer(algorithm: str = "ES256", kind: str = "EC", **changed: object) -> tuple[str, str]:
    return "Authorization", f"Bearer {token(key(kind), algorithm, kind, **changed)}"


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[JwksServer]:
    with publishing(tmp_path, whole_set()) as server:
        yield server


@pytest.fixture
def stage(issuer: JwksServer, upstream: Upstream, tmp_path: Path) -> Iterator[Stage]:
    """A caller by a key, one by a token who has an entry, and all others by tokens."""
    digest = f"sha256:{key_digest(SHOP.encode()).hex()}"
    text = (
        jwt(issuer, more="  routes: [api]\n  quotas: {rate: 1000/h}")
        + f"callers: [{{name: shop, key: {digest}}}, "
        + "{name: crm, subject: crm, routes: [maybe], quotas: {rate: 3/h}}]\n"
        + f"routes: [{{name: maybe, match: {{path: /maybe}}, upstream: {{url: 'http://127.0.0.1:{upstream.port}'}}, "
        + "policy: {namespace: maybe}, callers: optional}]\n"
    )
    with playing(upstream, "memory:", tmp_path, text) as running:
        until(lambda: running.metric(READ) == 1)
        yield running


def refused(stage: Stage, reason: str) -> float:
    return stage.metric(f'{REFUSALS}{{caller="",reason="{reason}",route="api"}}')


def test_a_token_lets_its_subject_in_and_another_token_of_theirs_gets_the_kept_answer(stage: Stage) -> None:
    first, later = bearer(), bearer("RS256", "RSA", jti="another")
    assert stage.post("k", b"{}", first).told == "201 executed"
    assert stage.post("k", b"{}", first).told == "201 replayed"
    assert stage.post("k", b"{}", later).told == "201 replayed", "refreshed, by another key of the issuer's"
    assert stage.post("k", b"{}", bearer("EdDSA", "OKP", sub="other")).told == "409 mismatch caller-changed"
    assert stage.post("k", b"{}", ("X-Gateway-Key", SHOP)).told == "409 mismatch caller-changed"
    assert stage.post("s", b"{}", ("X-Gateway-Key", SHOP)).told == "201 executed"
    assert stage.post("s", b"{}", bearer(sub="shop")).told == "409 mismatch caller-changed", "no key's caller"
    assert stage.metric('idempotency_gateway_caller_calls_total{caller="(token)"}') == 5
    assert [logged.all("authorization") for logged in stage.upstream.log] == [[], []]
    assert stage.metric("idempotency_gateway_token_keys_read_total") == 1


def test_no_wrong_token_gets_a_kept_answer_and_each_is_counted_by_what_is_wrong(stage: Stage) -> None:
    assert stage.post("k", b"{}", bearer()).told == "201 executed"
    wrong = {
        "token-expired": bearer(exp=int(time.time()) - 60),
        "token-audience": bearer(aud="reports"),
        "token-key": ("Authorization", f"Bearer {token(key('EC'), 'ES256', 'new')}"),
        "token-signature": ("Authorization", f"Bearer {token(key('EC', 1), 'ES256', 'EC')}"),
        "token-malformed": ("Authorization", "Basic c2hvcDpzaG9w"),
        "token-too-long": ("Authorization", f"Bearer {'a' * 8200}"),
        "none": ("X-Other", "x"),
    }
    keyed = 'GatewayKey realm="idempotency-gateway", header="x-gateway-key"'
    bearing = 'Bearer realm="idempotency-gateway"'
    for reason, shown in wrong.items():
        for name in ("k", "new"):
            heard = stage.post(name, b"{}", shown)
            assert heard.told == "401 rejected caller-unknown", reason
            error = "" if reason == "none" else ', error="invalid_token"'
            assert heard.get("www-authenticate") == f"{keyed}, {bearing}{error}"
            assert heard.get("idempotency-origin") == "gateway"
        assert refused(stage, reason) == 2
    for both in ((bearer(), ("X-Gateway-Key", SHOP)), (bearer(), bearer())):
        assert stage.post("k", b"{}", *both).told == "401 rejected caller-unknown"
    assert refused(stage, "several") == 2
    assert len(stage.upstream.log) == 1
    assert stage.send("POST", "/maybe/x", key="m").told == "201 executed"
    assert stage.send("POST", "/maybe/x", wrong["token-expired"], key="m").told == "401 rejected caller-unknown"


def test_a_subject_with_an_entry_has_its_routes_and_rate_and_all_others_those_of_jwt(stage: Stage) -> None:
    crm = bearer(sub="crm")
    assert stage.post("k", b"{}", crm).told == "403 rejected route-forbidden"
    assert stage.post("k", b"{}", bearer(), target="/maybe/x").told == "403 rejected route-forbidden"
    told = [stage.post(f"m{number}", b"{}", crm, target="/maybe/x").told for number in range(4)]
    assert told == ["201 executed"] * 3 + ["429 rejected rate-limited"]
    assert stage.metric('idempotency_gateway_caller_calls_total{caller="crm"}') == 3


def test_a_header_of_its_own_may_hold_the_bare_token_and_be_passed_on(
    issuer: JwksServer, upstream: Upstream, tmp_path: Path
) -> None:
    text = jwt(issuer, more="  header: X-Assertion\n  forward: true")
    with playing(upstream, "memory:", tmp_path, text) as stage:
        until(lambda: stage.metric(READ) == 1)
        bare = token(key("EC"), "ES256", "EC")
        credential = ("Authorization", "Bearer of-the-upstream")
        assert stage.post("k", b"{}", ("X-Assertion", bare), credential).told == "201 executed"
        assert stage.post("k", b"{}", ("X-Assertion", f"bearer {bare}"), credential).told == "201 replayed"
        heard = stage.post("k", b"{}", credential)
        assert heard.told == "401 rejected caller-unknown"
        assert heard.get("www-authenticate") == 'Bearer realm="idempotency-gateway", header="x-assertion"'
    (logged,) = upstream.log
    assert (logged.all("x-assertion"), logged.all("authorization")) == ([bare], ["Bearer of-the-upstream"])


def _gateway(folder: Path, upstream: Upstream, text: str) -> str:
    file = folder / "gateway.yaml"
    file.write_text(
        f"listen: 127.0.0.1:0\nadmin: {{listen: '127.0.0.1:0'}}\nlog: {{level: debug}}\n"
        f"{text}\nroutes: [{{name: api, upstream: {{url: 'http://127.0.0.1:{upstream.port}'}}}}]\n"
    )
    return str(file)


def ask(served: Served, name: str, shown: tuple[str, str]) -> Heard:
    return call(served.port, "POST", "/", [("Idempotency-Key", name), shown], b"{}")


def once_known(served: Served, name: str, shown: tuple[str, str]) -> str:
    """What is told when no reading of keys is under way, which may take its time on a busy machine."""
    told: list[str] = []

    def known() -> bool:
        told.append(ask(served, name, shown).told)
        return told[-1] != "503 unavailable caller-unverifiable"

    until(known)
    return told[-1]


def test_keys_are_rotated_and_outlive_their_endpoint_for_a_while_and_no_token_is_written_down(
    issuer: JwksServer, upstream: Upstream, tmp_path: Path
) -> None:
    """One process, from its start to the day when the issuer is gone for too long."""
    config = _gateway(tmp_path, upstream, jwt(issuer, "1s", "6s"))
    store = f"sqlite:///{tmp_path / 'records.db'}"
    environ = {"HTTPS_PROXY": "http://127.0.0.1:9", "ALL_PROXY": "http://127.0.0.1:9", "NO_PROXY": ""}
    issuer.status = 503
    with serving("--config", config, "--store", store, folder=tmp_path, environ=environ) as served:
        old = bearer()
        heard = ask(served, "k", old)
        assert heard.told == "503 unavailable caller-unverifiable", "nothing is known of it yet"
        assert heard.get("retry-after") == "5"
        issuer.status = 200
        until(lambda: metric(served.admin_port, READ) == 1)
        assert ask(served, "k", old).told == "201 executed"
        assert ask(served, "k", old).told == "201 replayed"
        issuer.document = published(jwk(key("EC", 1), "second"))
        new = ("Authorization", f"Bearer {token(key('EC', 1), 'ES256', 'second')}")
        until(lambda: metric(served.admin_port, READ) == 2)
        assert ask(served, "k", new).told == "201 replayed"
        assert once_known(served, "k", old) == "401 rejected caller-unknown", "its key was taken back"
        issuer.status = 302
        until(lambda: metric(served.admin_port, UNREAD) == 2)
        assert ask(served, "k", new).told == "201 replayed", "the keys count on"
        until(lambda: ask(served, "k", new).told == "503 unavailable caller-unverifiable")
        metrics = call(served.admin_port, "GET", "/metrics", [], None).body
        listed = call(served.admin_port, "GET", "/api/keys", [], None).body
        assert served.stop() == 0
        logged = str(served.logged()).encode()
    assert b"token-keys-read" in logged
    assert b"token-keys-unread" in logged
    assert {asked.get("authorization") for asked in issuer.asked} == {None}
    canaries = {text: text for value in (old, new) for text in _parts(value[1])}
    for place in (logged, metrics, listed, dump(store)):
        assert found({**canaries, "subject": "client-42"}, place) == set()
    assert len(upstream.log) == 1


def _parts(shown: str) -> tuple[str, str]:
    """What is only in one token: its claims and its signature."""
    _, payload, signature = shown.removeprefix("Bearer ").split(".")
    return payload[:60], signature[:40]
