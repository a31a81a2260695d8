"""``on_unknown: reconcile``: the upstream is asked what came of a call, and nothing is sent again that it knows of."""

import threading
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import pytest

from tests.conftest import Begin
from tests.ledger import Ledger, order
from tests.redis_servers import eventually
from tests.stage import Heard, Stage, playing
from tests.upstream import Play, Upstream, answer

RECONCILE = """
encryption: {keys: [record-key-of-the-scenarios]}
upstream: {timeout: {connect: 1500ms, response: 1500ms, total: 1500ms}}
policy:
  on_unknown: reconcile
  reconcile:
    request:
      path: "/charges?reference={body:/reference}"
      headers: {Authorization: Bearer the-gateways-own}
      timeout: 2s
    rules:
      - found:
          first: /data
          where: [{pointer: /reference, equals: "{body:/reference}"}]
          answer: {status: 201, headers: {X-Found: "by asking"}}
      - not_found: {empty: /data}
    quiet_period: 1500ms
    pause: {first: 20ms, longest: 50ms}
"""
QUIET = 1.5
DEADLINE = 30.0

# Every other way to lose a call is in test_every_unknown.
EXECUTED = {
    "reset": (Play(then="reset"), "502 unknown outcome-unknown"),
    "failed": (Play(answer(503, b"overloaded")), "503 unknown"),
}


@pytest.fixture
def ledger(upstream: Upstream) -> Ledger:
    return Ledger(upstream)


@pytest.fixture
def stage(upstream: Upstream, tmp_path: Path) -> Iterator[Stage]:
    """For what no store has a part in."""
    with playing(upstream, "memory:", tmp_path, RECONCILE) as in_memory:
        yield in_memory


def until(stage: Stage, key: str, told: str) -> Heard:
    """What a caller hears who comes back until it is told so."""
    end = time.monotonic() + DEADLINE
    while (heard := stage.post(key, order(key))).told != told:
        assert heard.told == "409 unknown outcome-unknown", heard
        assert time.monotonic() < end, heard
    return heard


def count(stage: Stage, name: str, **labels: str) -> float:
    told = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
    return stage.metric(f"idempotency_gateway_{name}_total{{{told}}}")


@pytest.mark.parametrize("failure", EXECUTED)
def test_a_call_that_was_executed_is_settled_with_the_answer_that_the_upstream_gives(
    begin: Begin, ledger: Ledger, failure: str
) -> None:
    stage = begin(RECONCILE)
    play, told = EXECUTED[failure]
    ledger.executed_then(play)
    assert stage.post("k", order("k")).told == told
    found = until(stage, "k", "201 replayed")
    assert found.body == ledger.receipt("k")
    assert (found.get("content-type"), found.get("x-found")) == ("application/json", "by asking")
    assert ledger.charged == {"k": 1}
    assert count(stage, "reconciled", route="api", verdict="settled") == 1
    assert {asked.all("authorization")[0] for asked in ledger.asked} == {"Bearer the-gateways-own"}


def test_a_call_that_the_upstream_knows_nothing_of_is_released_and_the_next_one_executed(
    begin: Begin, ledger: Ledger
) -> None:
    stage = begin(RECONCILE)
    ledger.lost_then(Play(then="reset"))
    began = time.monotonic()
    assert stage.post("k", order("k")).told == "502 unknown outcome-unknown"
    executed = until(stage, "k", "201 executed")
    assert time.monotonic() - began > QUIET, "released before the quiet period was over"
    assert executed.body == ledger.receipt("k")
    assert stage.post("k", order("k")).told == "201 replayed"
    assert ledger.charged == {"k": 1}
    assert len(ledger.asked) >= 3
    assert count(stage, "reconciled", route="api", verdict="released") == 1
    assert count(stage, "policy_choices", choice="reconcile", route="api") == 1


UNABLE = {
    "overloaded": Play(answer(503, b"later")),
    "who is it": Play(answer(401, b'{"data": []}')),
    "elsewhere": Play(answer(302, b"", ("Location", "/charges?reference=another"))),
    "gibberish": Play(answer(200, b"<html>")),
    "cut": Play(answer(200, b'{"data": []}')[:-1]),
    "another list": Play(answer(200, b'{"data": [{"reference": "another"}]}')),
}


@pytest.mark.parametrize("unable", UNABLE)
def test_an_answer_that_says_nothing_of_the_call_decides_nothing_and_is_asked_for_again(
    stage: Stage, ledger: Ledger, unable: str
) -> None:
    ledger.down = UNABLE[unable]
    ledger.executed_then(Play(then="reset"))
    assert stage.post("k", order("k")).told == "502 unknown outcome-unknown"
    ledger.wait_for_questions(5)
    waiting = stage.post("k", order("k"))
    assert waiting.told == "409 unknown outcome-unknown"
    assert waiting.get("retry-after") is not None
    assert waiting.problem["retryable"] is True
    ledger.down = None
    assert until(stage, "k", "201 replayed").body == ledger.receipt("k")
    assert ledger.charged == {"k": 1}


def test_not_found_between_other_answers_releases_nothing(stage: Stage, ledger: Ledger) -> None:
    nothing, unclear = Play(answer(200, b'{"data": []}')), Play(answer(503))
    ledger.answers = cycle([nothing, nothing, unclear])
    began = time.monotonic()
    ledger.lost_then(Play(then="reset"))
    assert stage.post("k", order("k")).told == "502 unknown outcome-unknown"
    eventually(lambda: time.monotonic() - began > QUIET)
    ledger.wait_for_questions(len(ledger.asked) + 12)
    assert stage.post("k", order("k")).told == "409 unknown outcome-unknown"
    assert ledger.sent == {"k": 1}


def test_a_call_without_the_value_to_ask_with_is_guarded_and_held_for_an_operator(begin: Begin, ledger: Ledger) -> None:
    stage = begin(RECONCILE)
    ledger.upstream.then(Play(then="reset"), Play(answer(201, b"charged")))
    assert stage.post("k", b'{"amount": 1}').told == "502 unknown outcome-unknown"
    held = stage.post("k", b'{"amount": 1}')
    assert (held.told, held.get("retry-after")) == ("409 unknown outcome-unknown", None)
    assert "operator" in held.problem["detail"]
    assert stage.post("other", b'{"amount": 1}').told == "201 executed"
    assert stage.post("other", b'{"amount": 1}').told == "201 replayed"
    assert count(stage, "not_askable", place="body:/reference", route="api") == 4
    assert ledger.asked == []


def test_what_a_call_is_asked_about_with_is_nowhere_in_the_clear(
    upstream: Upstream, ledger: Ledger, tmp_path: Path
) -> None:
    with playing(upstream, f"sqlite:///{tmp_path / 'gateway.db'}", tmp_path, RECONCILE) as stage:
        ledger.down = Play(answer(503))
        ledger.executed_then(Play(then="reset"))
        assert stage.post("k", order("canary-reference")).told == "502 unknown outcome-unknown"
        ledger.wait_for_questions(2)
        assert "canary-reference" in ledger.asked[-1].line
        kept = b"".join(file.read_bytes() for file in tmp_path.glob("gateway.db*"))
        assert len(kept) > 0
        assert b"canary" not in kept


def test_a_late_answer_settles_while_the_upstream_is_asked(begin: Begin, ledger: Ledger) -> None:
    patient = RECONCILE.replace("total: 1500ms", "total: 20s").replace("quiet_period: 1500ms", "quiet_period: 20s")
    stage = begin(patient)
    gate = threading.Event()
    ledger.down = Play(answer(503))
    ledger.executed_then(Play(answer(201, b"late"), gate=gate))
    assert stage.post("k", order("k")).told == "504 unknown outcome-unknown"
    ledger.wait_for_questions(2)
    gate.set()
    assert until(stage, "k", "201 replayed").body == b"late"
    asked = len(ledger.asked)
    ledger.down = None
    assert stage.post("k", order("k")).body == b"late"
    assert count(stage, "reconciled", route="api", verdict="settled") == 0
    assert len(ledger.asked) <= asked + 1, "one may have been on its way"


def test_another_request_under_a_key_that_is_asked_about_is_a_mismatch(stage: Stage, ledger: Ledger) -> None:
    ledger.down = Play(answer(503))
    ledger.executed_then(Play(then="reset"))
    assert stage.post("k", order("k")).told == "502 unknown outcome-unknown"
    assert stage.post("k", order("other")).told == "422 mismatch key-reused"
    assert ledger.sent == {"k": 1}
