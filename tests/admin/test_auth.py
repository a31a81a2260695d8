"""Who may come in: with tokens nobody without one; without tokens this machine alone, and no other page."""

import pytest

from gateway.admin.sessions import LASTS, Sessions
from gateway.config.configuration import AdminToken, Role
from gateway.protocol import observations as seen
from gateway.protocol.observations import Observation
from tests.admin.conftest import READ, SETTLE, TOKENS, Open, bearer
from tests.stage import Heard, Stage

ID = "0" * 64
VERBS = [("POST", f"/api/keys/{ID}/release"), ("POST", f"/api/keys/{ID}/resolve"), ("DELETE", f"/api/keys/{ID}")]
READS = ["/api/keys", f"/api/keys/{ID}", "/api/stats", "/openapi.json", "/docs", "/docs/start.js"]


def name(heard: Heard) -> str:
    return f"{heard.status} {heard.problem['type'].rpartition(':')[2]}"


def sign_in(stage: Stage, token: str, *headers: tuple[str, str]) -> Heard:
    form = ("Content-Type", "application/x-www-form-urlencoded")
    return stage.admin("/session", form, *headers, method="POST", body=f"token={token}".encode())


def cookie(heard: Heard) -> tuple[str, str]:
    sent = heard.get("set-cookie")
    assert sent is not None
    return ("Cookie", sent.partition(";")[0])


@pytest.mark.parametrize("path", READS)
def test_with_tokens_nothing_is_told_to_whoever_has_none(desk: Open, path: str) -> None:
    stage = desk(TOKENS)
    heard = stage.admin(path)
    assert name(heard) == "401 unauthenticated"
    assert heard.get("www-authenticate") == 'Bearer realm="idempotency-gateway"'
    assert stage.admin(path, bearer(READ)).status in (200, 404)


@pytest.mark.parametrize(
    "shown",
    [
        ("Authorization", "Bearer a-token-of-somebody"),
        ("Authorization", f"Bearer {READ[:-1]}"),
        ("Authorization", f"Bearer {READ} " + READ),
        ("Authorization", "Bearer"),
        ("Authorization", f"Basic {READ}"),
        ("Authorization", READ),
    ],
)
def test_a_wrong_token_is_refused_even_beside_a_good_session(desk: Open, shown: tuple[str, str]) -> None:
    stage = desk(TOKENS)
    session = cookie(sign_in(stage, READ))
    heard = stage.admin("/api/keys", shown, session)
    assert name(heard) == "401 unauthenticated"
    assert 'error="invalid_token"' in (heard.get("www-authenticate") or "")


def test_two_tokens_in_one_request_are_none(desk: Open) -> None:
    assert name(desk(TOKENS).admin("/api/keys", bearer(READ), bearer(READ))) == "401 unauthenticated"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
@pytest.mark.parametrize("host", ["gateway.example.com", "localhost"])
def test_health_and_metrics_always_answer(desk: Open, path: str, host: str) -> None:
    assert desk(TOKENS).admin(path, ("Host", host)).status == 200


def test_a_session_is_what_a_token_is_exchanged_for_until_it_is_ended(desk: Open) -> None:
    stage = desk(TOKENS)
    heard = sign_in(stage, READ, ("Origin", f"http://127.0.0.1:{stage.admin_port}"))
    assert (heard.status, heard.get("location")) == (303, "/")
    sent = heard.get("set-cookie") or ""
    assert all(part in sent for part in ("HttpOnly", "SameSite=strict", "Path=/", "Max-Age=28800"))
    assert "Secure" not in sent
    assert READ not in sent
    assert stage.admin("/api/keys", cookie(heard)).status == 200
    ended = stage.admin(
        "/session/end", cookie(heard), ("Origin", f"http://127.0.0.1:{stage.admin_port}"), method="POST"
    )
    assert (ended.status, ended.get("location")) == (303, "/")
    assert "Max-Age=0" in (ended.get("set-cookie") or "")


def test_behind_https_the_cookie_goes_nowhere_else(desk: Open) -> None:
    heard = sign_in(desk(TOKENS), READ, ("Host", "admin.example.com"), ("Origin", "https://admin.example.com"))
    assert heard.status == 303
    assert "Secure" in (heard.get("set-cookie") or "")


@pytest.mark.parametrize("body", ["token=a-token-of-somebody", "token=", "", f"token={READ}&token={READ}", "token=%ff"])
def test_no_session_begins_without_a_token(desk: Open, body: str) -> None:
    stage = desk(TOKENS)
    form = ("Content-Type", "application/x-www-form-urlencoded")
    heard = stage.admin("/session", form, method="POST", body=body.encode())
    assert name(heard) == "401 unauthenticated"
    assert heard.get("set-cookie") is None
    assert stage.metric('idempotency_gateway_operator_verbs_total{outcome="unauthenticated",verb="sign-in"}') == 1


@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1:1", "null", "http://localhost"])
def test_a_page_of_another_origin_neither_signs_in_nor_uses_a_session(desk: Open, origin: str) -> None:
    stage = desk(TOKENS)
    assert name(sign_in(stage, SETTLE, ("Origin", origin))) == "403 foreign-origin"
    session = cookie(sign_in(stage, SETTLE))
    for method, path in VERBS:
        heard = stage.admin(path, session, ("Origin", origin), method=method, body={"fence": 1})
        assert name(heard) == "403 foreign-origin"
        heard = stage.admin(path, session, ("Sec-Fetch-Site", "cross-site"), method=method, body={"fence": 1})
        assert name(heard) == "403 foreign-origin"


def test_a_session_decides_only_where_the_browser_says_which_page_asks(desk: Open) -> None:
    stage = desk(TOKENS)
    session = cookie(sign_in(stage, SETTLE))
    for method, path in VERBS:
        assert name(stage.admin(path, session, method=method, body={"fence": 1})) == "403 foreign-origin"


def test_a_ticket_ends_in_time_and_with_its_token() -> None:
    clock = [1_000_000.0]
    token = AdminToken("a", Role.READ, b"a secret of somebody")
    given = Sessions(b"secret", [token], lambda: clock[0])
    ticket = given.ticket(token)
    assert Sessions(b"secret", [token], lambda: clock[0]).holder(ticket) == token, "another gateway takes it"
    assert Sessions(b"another", [token], lambda: clock[0]).holder(ticket) is None
    assert Sessions(b"secret", [], lambda: clock[0]).holder(ticket) is None
    changed = AdminToken("a", Role.READ, b"another secret of theirs")
    assert Sessions(b"secret", [changed], lambda: clock[0]).holder(ticket) is None
    promoted = AdminToken("a", Role.SETTLE, token.secret)
    assert Sessions(b"secret", [promoted], lambda: clock[0]).holder(ticket) == promoted
    name, end, seal = ticket.split("~")
    assert given.holder(f"{name}~{int(end) + 1}~{seal}") is None
    assert given.holder(f"b~{end}~{seal}") is None
    clock[0] += LASTS.total_seconds() - 1
    assert given.holder(ticket) == token
    clock[0] += 1
    assert given.holder(ticket) is None


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8:9", "[::1]:8081", "LOCALHOST:80"])
def test_without_tokens_this_machine_asks_by_its_own_names(desk: Open, host: str) -> None:
    stage = desk()
    assert stage.admin("/api/keys", ("Host", host)).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        [("Host", "evil.example")],
        [("Host", "localhost.evil.example")],
        [("Host", "127.0.0.1.evil.example")],
        [("Host", "10.0.0.1")],
        [("Host", "0.0.0.0")],
        [("Host", "localhost"), ("X-Forwarded-For", "10.0.0.1")],
        [("Host", "localhost"), ("Forwarded", "for=10.0.0.1")],
        [("Host", "localhost"), ("Via", "1.1 proxy")],
    ],
)
@pytest.mark.parametrize("path", ["/api/keys", "/docs", "/openapi.json"])
def test_without_tokens_another_name_or_a_proxy_is_refused(
    desk: Open, headers: list[tuple[str, str]], path: str
) -> None:
    assert name(desk().admin(path, *headers)) == "403 not-local"


def test_without_tokens_verbs_of_another_page_are_refused(desk: Open) -> None:
    stage = desk()
    for method, path in VERBS:
        for origin in ("https://evil.example", "null", f"http://127.0.0.1:{stage.port}"):
            heard = stage.admin(path, ("Origin", origin), method=method, body={"fence": 1})
            assert name(heard) == "403 foreign-origin"


def test_whoever_may_only_read_decides_nothing(desk: Open) -> None:
    stage = desk(TOKENS)
    for method, path in VERBS:
        heard = stage.admin(path, bearer(READ), method=method, body=b"not even JSON")
        assert name(heard) == "403 forbidden"
        assert "dashboard" in heard.problem["detail"]
        assert 'error="insufficient_scope"' in (heard.get("www-authenticate") or "")


def test_every_refusal_at_the_door_is_audited(desk: Open) -> None:
    stage = desk(TOKENS)
    for method, path in VERBS:
        stage.admin(path, method=method)
        stage.admin(path, bearer(READ), method=method)
    for verb in ("release", "resolve", "forget"):
        for outcome in ("unauthenticated", "forbidden"):
            line = f'idempotency_gateway_operator_verbs_total{{outcome="{outcome}",verb="{verb}"}}'
            assert stage.metric(line) == 1


def test_the_data_listener_knows_nothing_of_operators(desk: Open) -> None:
    stage = desk(f"{TOKENS}\nmatch: {{path: /charges}}")
    for path in [*READS, "/session", "/healthz", "/"]:
        assert stage.send("GET", path, bearer(SETTLE), body=None).told == "404 - no-route"
    for method, path in VERBS:
        assert stage.send(method, path, bearer(SETTLE), body=b'{"fence": 1}').told == "404 - no-route"


class _Recorded:
    def __init__(self) -> None:
        self.verbs: list[seen.OperatorVerb] = []

    def observe(self, observation: Observation) -> None:
        if isinstance(observation, seen.OperatorVerb):
            self.verbs.append(observation)


def test_whoever_is_known_by_name_and_turned_away_is_audited_by_name(desk: Open) -> None:
    stage, recorded = desk(TOKENS), _Recorded()
    stage.running._telemetry.observer._wants += (lambda _: (recorded.observe,),)
    for headers in ([bearer(READ)], [bearer("a token of nobody's")], []):
        stage.admin(f"/api/keys/{'0' * 64}/release", *headers, method="POST", body={"fence": 1})
    told = [(verb.verb, verb.outcome, verb.by) for verb in recorded.verbs]
    assert told == [
        ("release", "forbidden", "dashboard"),
        ("release", "unauthenticated", ""),
        ("release", "unauthenticated", ""),
    ]
