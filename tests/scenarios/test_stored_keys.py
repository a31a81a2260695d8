"""A caller with a quota of stored keys: a new one too many is turned away, what is known is answered all the same."""

import re
import threading
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import Begin, emptied
from tests.postgres import Servers
from tests.scenarios.test_known_callers import BAR, CRM, HEADER, SHOP, digest
from tests.stage import Heard, Stage, playing
from tests.upstream import Play, Upstream, answer

MOST = 3
CALLERS = f"""
callers:
  - {{name: shop, key: {digest(SHOP)}, quotas: {{stored_keys: {MOST}}}}}
  - {{name: bar, key: {digest(BAR)}}}
  - {{name: crm, key: {digest(CRM)}, quotas: {{stored_keys: 40}}}}
"""
USED_UP = "429 rejected quota-exceeded"


def post(stage: Stage, key: str | None, caller: str = SHOP, body: bytes = b"{}") -> Heard:
    return stage.post(key, body, (HEADER, caller))


def refused(stage: Stage) -> float:
    labels = 'caller="shop",reason="stored-keys",route="api"'
    return stage.metric(f"idempotency_gateway_caller_refusals_total{{{labels}}}")


def test_a_new_key_beyond_the_quota_is_turned_away_and_all_else_is_answered(begin: Begin) -> None:
    stage = begin(CALLERS)
    stage.upstream.then(Play(answer(201), then="keep"), Play(then="reset"), Play(answer(429, b"later"), then="keep"))
    told = [post(stage, key).told for key in ("a", "b", "c")]
    assert told == ["201 executed", "502 unknown outcome-unknown", "429 not-executed"]
    heard = post(stage, "d")
    assert heard.told == USED_UP
    assert (heard.problem["key_state"], heard.problem["retryable"]) == ("none", True)
    assert (heard.get("retry-after"), heard.get("idempotency-origin")) == (None, "gateway")
    assert post(stage, "a").told == "201 replayed"
    assert post(stage, "b").told == "409 unknown outcome-unknown"
    assert post(stage, "a", body=b"other").told == "422 mismatch key-reused"
    assert post(stage, "c").told == "201 executed", "a key that is free again is no new one"
    assert post(stage, "a", BAR).told == "409 mismatch caller-changed"
    assert post(stage, "d", BAR).told == "201 executed"
    assert post(stage, None).told == "201 unguarded"
    assert post(stage, "e").told == USED_UP
    assert refused(stage) == 2
    assert [stage.upstream.count(key) for key in "abcde"] == [1, 1, 2, 1, 0]


@pytest.mark.parametrize("kind", ["sqlite", "postgres", "redis", "tiered"])
def test_a_quota_is_the_callers_over_gateways_and_restarts(
    upstream: Upstream, servers: Servers, tmp_path: Path, kind: str
) -> None:
    with ExitStack() as stack:
        urls = {"sqlite": f"sqlite:///{tmp_path / 'gateway.db'}", "redis": ""}
        if kind in ("postgres", "tiered"):
            urls["postgres"] = stack.enter_context(servers.get().database())
        if kind in ("redis", "tiered"):
            urls["redis"] = emptied()
        store = urls[kind] if kind != "tiered" else f"{urls['postgres']} {urls['redis']}"
        for name in ("one", "two", "three"):
            (tmp_path / name).mkdir()
        with playing(upstream, store, tmp_path / "one", CALLERS) as one:
            assert [post(one, key).told for key in ("a", "b")] == ["201 executed"] * 2
        with (
            playing(upstream, store, tmp_path / "two", CALLERS) as two,
            playing(upstream, store, tmp_path / "three", CALLERS) as three,
        ):
            assert post(two, "c").told == "201 executed"
            assert [post(stage, "d").told for stage in (three, two)] == [USED_UP] * 2
            assert [post(stage, "a").told for stage in (two, three)] == ["201 replayed"] * 2
            many_at_once(two, three)


def many_at_once(*stages: Stage) -> None:
    """Two gateways with eight calls each at once: what is too much is what one lets through since it counted."""
    told = Counter[str]()
    begun = threading.Barrier(16)

    def call(stage: Stage, worker: int) -> list[str]:
        begun.wait(20)
        return [post(stage, f"{worker}-{number}", CRM).told for number in range(6)]

    calls = [stages[0].pool.submit(call, stages[each % 2], each) for each in range(16)]
    for each in calls:
        told.update(each.result(60))
    assert set(told) == {"201 executed", USED_UP}
    assert 40 <= told["201 executed"] <= 40 + 8 + 40 // 8, "its calls at once, and an eighth of what was left"


def test_operators_see_whose_a_record_is(upstream: Upstream, tmp_path: Path) -> None:
    with playing(upstream, "memory:", tmp_path, CALLERS) as stage:
        seen_by_operators(stage)


def seen_by_operators(stage: Stage) -> None:
    assert post(stage, "a").told == "201 executed"
    (listed,) = stage.admin("/api/keys?key=a").json["keys"]
    assert listed["caller"] == "shop"
    assert stage.admin(f"/api/keys/{listed['id']}").json["caller"] == "shop"
    page = stage.admin(f"/keys/{listed['id']}").body.decode()
    assert re.search(r"<dt>Caller</dt><dd>shop</dd>", page)
