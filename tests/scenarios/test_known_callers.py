"""Callers whom the gateway knows: who is none of them hears so before anything is looked up, whatever the key holds."""

import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from gateway.protocol.fingerprint import key_digest
from tests.edge.callers import until
from tests.process import Served, serving
from tests.raw import exchange
from tests.stage import Heard, Stage, call, metric, playing
from tests.upstream import Play, Upstream, answer

SHOP, BAR, CRM = ("igk_the-key-of-the-shop-01", "igk_the-key-of-the-bar-002", "igk_the-key-of-the-crm-003")
HEADER = "X-Gateway-Key"


def digest(key: str) -> str:
    return f"sha256:{key_digest(key.encode()).hex()}"


CALLERS = f"""
callers:
  - {{name: shop, key: {digest(SHOP)}}}
  - {{name: bar, key: {digest(BAR)}, routes: [api]}}
  - {{name: crm, key: {digest(CRM)}, quotas: {{calls: 1}}}}
"""
ROUTES = """
routes:
  - {{name: open, match: {{path: /open}}, upstream: {{url: {0}}}, policy: {{namespace: open}}, callers: none}}
  - {{name: maybe, match: {{path: /maybe}}, upstream: {{url: {0}}}, policy: {{namespace: maybe}}, callers: optional}}
"""


@pytest.fixture
def stage(upstream: Upstream, tmp_path: Path) -> Iterator[Stage]:
    text = CALLERS + ROUTES.format(f"'http://127.0.0.1:{upstream.port}'")
    with playing(upstream, "memory:", tmp_path, text) as running:
        yield running


def post(stage: Stage, key: str, caller: str | None, target: str = "/charges") -> Heard:
    fields = () if caller is None else ((HEADER, caller),)
    return stage.post(key, b"{}", *fields, target=target)


def refused(stage: Stage, reason: str, caller: str = "", route: str = "api") -> float:
    labels = f'caller="{caller}",reason="{reason}",route="{route}"'
    return stage.metric(f"idempotency_gateway_caller_refusals_total{{{labels}}}")


def test_nobody_who_is_no_caller_gets_in_or_hears_of_a_kept_answer(stage: Stage) -> None:
    assert post(stage, "k", SHOP).told == "201 executed"
    wrong = [
        None,
        "",
        "wrong",
        SHOP[:-1],
        SHOP + "x",
        SHOP.upper(),
        digest(SHOP),
        f"Bearer {SHOP}",
        key_digest(SHOP.encode()).hex(),
    ]
    for shown in wrong:
        for key in ("k", "new"):
            heard = post(stage, key, shown)
            assert heard.told == "401 rejected caller-unknown", shown
            assert heard.get("www-authenticate") == 'GatewayKey realm="idempotency-gateway", header="x-gateway-key"'
            assert heard.get("idempotency-origin") == "gateway"
            assert heard.problem["key_state"] == "undetermined"
            assert SHOP not in heard.body.decode()
        assert stage.send("GET", "/charges", *(() if shown is None else ((HEADER, shown),)), body=None).status == 401
    both = stage.post("k", b"{}", (HEADER, SHOP), (HEADER, SHOP))
    assert both.told == "401 rejected caller-unknown"
    assert post(stage, "k", SHOP).told == "201 replayed"
    assert len(stage.upstream.log) == 1
    assert (refused(stage, "none"), refused(stage, "several")) == (3.0, 1.0)
    assert refused(stage, "unknown") == 3 * (len(wrong) - 1)


def test_a_caller_may_use_their_own_routes_and_is_told_which_are_not(stage: Stage) -> None:
    heard = post(stage, "k", BAR, "/maybe/x")
    assert heard.told == "403 rejected route-forbidden"
    assert refused(stage, "route", "bar", "maybe") == 1
    assert post(stage, "k", BAR).told == "201 executed"
    assert post(stage, "k", SHOP, "/maybe/x").told == "201 executed"
    assert stage.metric('idempotency_gateway_caller_calls_total{caller="bar"}') == 1


def test_a_route_may_let_in_whoever_shows_nothing_and_still_refuses_a_wrong_key(stage: Stage) -> None:
    assert post(stage, "k", None, "/maybe/x").told == "201 executed"
    assert post(stage, "k", "igk_nobody-has-this-key-at-all", "/maybe/x").told == "401 rejected caller-unknown"
    assert post(stage, "k", SHOP, "/maybe/x").told == "409 mismatch caller-changed", "nobody's answer is not the shop's"
    assert post(stage, "s", SHOP, "/maybe/x").told == "201 executed"
    assert post(stage, "s", None, "/maybe/x").told == "409 mismatch caller-changed"
    assert post(stage, "k", "whatever", "/open/x").told == "201 executed"


def test_the_gateways_own_header_never_goes_upstream(stage: Stage) -> None:
    post(stage, "k", SHOP)
    post(stage, "k", "whatever", "/open/x")
    stage.send("GET", "/charges", (HEADER, SHOP), body=None)
    assert [logged.all("x-gateway-key") for logged in stage.upstream.log] == [[], [], []]


@pytest.mark.parametrize(
    "line",
    ["X_Gateway_Key: k", "Connection: X-Gateway-Key", ":caller: key/shop", "Transfer-Encoding: chunked\r\n:caller: x"],
)
def test_no_field_imitates_a_caller(stage: Stage, line: str) -> None:
    head = f"POST /charges HTTP/1.1\r\nHost: a\r\nIdempotency-Key: k\r\n{HEADER}: {SHOP}\r\n{line}\r\n\r\n"
    assert exchange(stage.port, head.encode()).startswith(b"HTTP/1.1 400")
    assert stage.upstream.log == []


def test_a_caller_has_so_many_calls_in_flight_on_all_routes_together(stage: Stage) -> None:
    gate = threading.Event()
    stage.upstream.then(Play(answer(201), gate=gate, then="keep"))
    under_way = stage.pool.submit(post, stage, "a", CRM)
    stage.upstream.wait_for(1)
    for heard in (post(stage, "b", CRM, "/maybe/x"), stage.send("GET", "/x", (HEADER, CRM), body=None)):
        assert heard.told == "429 rejected quota-exceeded"
        assert heard.get("retry-after") == "1"
    assert post(stage, "c", SHOP).told == "201 executed"
    gate.set()
    assert under_way.result(20).told == "201 executed"
    assert post(stage, "b", CRM, "/maybe/x").told == "201 executed"


def test_the_calls_that_one_route_lets_a_caller_have_are_those_of_the_known_caller(
    upstream: Upstream, tmp_path: Path
) -> None:
    with playing(upstream, "memory:", tmp_path, f"{CALLERS}calls: {{per_caller: 1}}") as stage:
        one_at_once(stage)


def one_at_once(stage: Stage) -> None:
    gate = threading.Event()
    stage.upstream.then(Play(answer(201), gate=gate, then="keep"))
    fields = ((HEADER, SHOP), ("Authorization", "Bearer one"))
    under_way = stage.pool.submit(stage.post, "a", b"{}", *fields)
    stage.upstream.wait_for(1)
    other = stage.post("b", b"{}", (HEADER, SHOP), ("Authorization", "Bearer two"))
    assert other.told == "429 rejected too-many-calls", "another Authorization makes no second caller of one"
    assert stage.post("c", b"{}", (HEADER, BAR), ("Authorization", "Bearer one")).told == "201 executed"
    gate.set()
    assert under_way.result(20).told == "201 executed"


def test_what_is_published_tells_that_callers_are_known(stage: Stage) -> None:
    told = {
        route["name"]: route["callers"]
        for route in stage.send("GET", "/.well-known/idempotency", body=None).json["routes"]
    }
    assert {name: callers.get("known") for name, callers in told.items()} == {
        "open": None,
        "maybe": "optional",
        "api": "required",
    }
    assert told["api"]["headers"] == ["authorization", "x-api-key"]


def gateway(upstream: Upstream, folder: Path, key_file: Path) -> str:
    """A configuration with one caller whose keys are in a file."""
    file = folder / "gateway.yaml"
    file.write_text(
        f"listen: 127.0.0.1:0\nadmin: {{listen: '127.0.0.1:0'}}\nlog: {{level: debug}}\n"
        f"callers: [{{name: shop, key: 'file://{key_file}'}}]\n"
        f"routes: [{{name: api, upstream: {{url: 'http://127.0.0.1:{upstream.port}'}}}}]\n"
    )
    return str(file)


def write(path: Path, *keys: str) -> None:
    """As Kubernetes replaces a secret: the old file or the new one, never half of it."""
    new = path.with_suffix(".new")
    new.write_text("".join(f"{digest(key)}\n" for key in keys))
    new.rename(path)


def charge(served: Served, key: str, caller: str) -> str:
    return call(served.port, "POST", "/", [("Idempotency-Key", key), (HEADER, caller)], b"{}").told


def test_a_key_is_rotated_under_load_without_one_failed_call_and_one_that_is_taken_back_gets_no_replay(
    upstream: Upstream, tmp_path: Path
) -> None:
    keys = tmp_path / "shop-key"
    write(keys, SHOP)
    config = gateway(upstream, tmp_path, keys)
    with serving("--config", config, "--workers", "2", folder=tmp_path) as served:
        use, done, told = SHOP, threading.Event(), list[str]()
        changes = count(1)

        def change(*hold: str) -> None:
            """Returns when both workers have seen it."""
            write(keys, *hold)
            expected = 2 * next(changes)
            until(lambda: metric(served.admin_port, "idempotency_gateway_caller_keys_read_total") == expected)

        def load(worker: int) -> None:
            number = 0
            while not done.is_set():
                told.append(charge(served, f"{worker}-{number}", use))
                number += 1

        callers = [threading.Thread(target=load, args=(each,)) for each in range(3)]
        for each in callers:
            each.start()
        change(SHOP, BAR)
        use, sent = BAR, len(told)
        until(lambda: len(told) > sent + 20)
        change(BAR)
        done.set()
        for each in callers:
            each.join()
        assert set(told) == {"201 executed"}
        assert charge(served, "0-0", SHOP) == "401 rejected caller-unknown"
        assert charge(served, "0-0", BAR) == "201 replayed", "the same caller by another key"
        change()
        assert charge(served, "0-0", BAR) == "401 rejected caller-unknown"
        assert served.stop() == 0
        lines = str(served.logged())
    assert "caller-keys-read" in lines
    assert not any(key in lines for key in (SHOP, BAR, digest(SHOP), digest(BAR)))
