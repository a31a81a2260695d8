"""``on_unknown: retry``: an upstream that recognises the key is asked again, under a new fence, as long as it does."""

import threading

import pytest

from tests.conftest import Begin
from tests.stage import Stage
from tests.upstream import Play, answer

RETRY = """
policy: {on_unknown: retry, upstream_retention: 24h}
upstream: {timeout: {connect: 100ms, response: 200ms, total: 300ms}}
"""
SENT_AGAIN = 'idempotency_gateway_policy_choices_total{choice="retry",route="api"}'
FAILURES = {
    "reset": (Play(then="reset"), "502 unknown outcome-unknown"),
    "closed": (Play(), "502 unknown outcome-unknown"),
    "cut": (Play(answer(201, b"whole")[:-1]), "502 unknown outcome-unknown"),
    "silent": (Play(then="hang"), "504 unknown outcome-unknown"),
    "failed": (Play(answer(503, b"overloaded")), "503 unknown"),
}


def lost(stage: Stage, key: str = "k") -> None:
    """A first call that was sent and got no answer."""
    stage.upstream.then(Play(then="reset"))
    assert stage.post(key).told == "502 unknown outcome-unknown"


@pytest.mark.parametrize("failure", FAILURES)
def test_a_call_of_unknown_outcome_is_sent_again_with_the_same_key(begin: Begin, failure: str) -> None:
    stage = begin(RETRY)
    play, told = FAILURES[failure]
    stage.upstream.then(play)
    first = stage.post("k")
    assert (first.told, first.get("idempotency-sent-again")) == (told, None)
    if play.then == "hang":
        assert stage.upstream.left.wait(10)
    stage.upstream.then(Play(answer(201, b"charged")))
    again = stage.post("k")
    assert (again.told, again.body, again.get("idempotency-sent-again")) == ("201 executed", b"charged", "true")
    later = stage.post("k")
    assert (later.told, later.body, later.get("idempotency-sent-again")) == ("201 replayed", b"charged", None)
    assert [logged.key for logged in stage.upstream.log] == ["k", "k"]
    assert stage.metric(SENT_AGAIN) == 1


@pytest.mark.parametrize("status", [409, 425, 429, 500, 503])
def test_a_second_attempt_that_was_turned_away_says_nothing_of_the_first(begin: Begin, status: int) -> None:
    stage = begin(RETRY)
    lost(stage)
    stage.upstream.then(Play(answer(status, b"not now")), Play(answer(201, b"charged")))
    again = stage.post("k")
    assert (again.told, again.body, again.get("idempotency-sent-again")) == (f"{status} unknown", b"not now", "true")
    assert stage.post("k").told == "201 executed"
    assert stage.upstream.count("k") == 3


def test_of_many_that_come_back_at_once_one_is_sent_again(begin: Begin) -> None:
    stage = begin("policy: {on_unknown: retry, upstream_retention: 24h}")
    lost(stage)
    gate = threading.Event()
    stage.upstream.then(Play(answer(201, b"charged"), gate=gate))
    calls = [stage.meanwhile("k") for _ in range(20)]
    stage.upstream.wait_for(2)
    while sum(call.done() for call in calls) < 19:
        continue
    gate.set()
    told = sorted(call.result().told for call in calls)
    assert told == ["201 executed", *["409 in-flight in-flight"] * 19]
    assert stage.upstream.count("k") == 2


def test_what_the_upstream_may_have_forgotten_is_not_sent_again(begin: Begin) -> None:
    stage = begin("""
        policy: {on_unknown: retry, upstream_retention: 301ms}
        upstream: {timeout: {connect: 100ms, response: 200ms, total: 300ms}}
    """)
    stage.upstream.then(Play(then="hang"))
    assert stage.post("k").told == "504 unknown outcome-unknown"
    assert stage.post("k").told == "409 unknown outcome-unknown"
    assert stage.upstream.count("k") == 1


def test_another_request_under_an_unknown_key_is_never_sent(begin: Begin) -> None:
    stage = begin(RETRY)
    lost(stage)
    assert stage.post("k", b"other").told == "422 mismatch key-reused"
    assert stage.upstream.count("k") == 1


def test_a_retry_is_told_that_it_will_be_sent_again(begin: Begin) -> None:
    stage = begin(RETRY)
    stage.upstream.then(Play(then="reset"))
    assert "it is sent again" in stage.post("k").problem["detail"]
