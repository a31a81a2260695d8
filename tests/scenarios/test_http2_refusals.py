"""An upstream that refuses calls by HTTP/2: what the caller hears, and that only another call of his is sent again."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from h2.errors import ErrorCodes

from tests.http2upstream import Conversation, Http2Upstream
from tests.proxying.over_http2 import Misbehaviour
from tests.stage import playing
from tests.upstream import Logged, running_upstream

NOT_SENT = 'idempotency_gateway_not_sent_total{{reason="{}",route="api"}}'


@pytest.fixture
def upstream() -> Iterator[Http2Upstream]:
    """An upstream that speaks HTTP/2 by prior knowledge, and refuses nothing yet."""
    with running_upstream(kind=Http2Upstream) as running:
        assert isinstance(running, Http2Upstream)
        running.settings["http"] = "2"
        yield running


def _refuses(talk: Conversation, stream: int, _: Logged) -> bool:
    talk.engine.reset_stream(stream, ErrorCodes.REFUSED_STREAM)
    return True


def _goes_away(talk: Conversation, _: int, __: Logged) -> bool:
    talk.engine.close_connection(last_stream_id=0)
    return True


def _resets(talk: Conversation, _: int, __: Logged) -> bool:
    talk.reset()
    return True


@pytest.mark.parametrize(("refusal", "reason"), [(_refuses, "refused-stream"), (_goes_away, "going-away")])
def test_a_refused_call_was_not_executed_and_the_next_one_with_its_key_is_sent(
    upstream: Http2Upstream, tmp_path: Path, refusal: Misbehaviour, reason: str
) -> None:
    with playing(upstream, "memory:", tmp_path, "upstream: {believe_refusals: true}") as stage:
        upstream.misbehave = refusal
        refused = stage.post("k")
        assert refused.told == "503 not-executed upstream-unreachable"
        assert (refused.problem["title"], refused.get("retry-after")) == ("Nothing was processed", "1")
        assert upstream.count("k") == 1, "nothing below the caller sends again"
        assert stage.metric(NOT_SENT.format(reason)) == 1
        upstream.misbehave = None
        assert stage.post("k").told == "201 executed"
        assert stage.post("k").told == "201 replayed"
        assert stage.send("GET", "/charges", body=None).told == "201 unguarded"
        upstream.misbehave = refusal
        assert stage.send("GET", "/charges", body=None).told == "503 unguarded upstream-unreachable"
        assert upstream.count("k") == 2


def test_as_long_as_nobody_says_to_believe_it_a_refused_call_is_unknown(
    upstream: Http2Upstream, tmp_path: Path
) -> None:
    with playing(upstream, "memory:", tmp_path) as stage:
        upstream.misbehave = _refuses
        assert stage.post("k").told == "502 unknown outcome-unknown"
        upstream.misbehave = None
        assert stage.post("k").told == "409 unknown outcome-unknown"
        assert upstream.count("k") == 1


def test_the_refusal_of_a_second_attempt_says_nothing_of_the_first(upstream: Http2Upstream, tmp_path: Path) -> None:
    text = "upstream: {believe_refusals: true}\npolicy: {on_unknown: retry, upstream_retention: 24h}"
    with playing(upstream, "memory:", tmp_path, text) as stage:
        upstream.misbehave = _resets
        assert stage.post("k").told == "502 unknown outcome-unknown"
        upstream.misbehave = _refuses
        assert stage.post("k").told == "503 unknown upstream-unreachable"
        upstream.misbehave = None
        again = stage.post("k")
        assert (again.told, again.get("idempotency-sent-again")) == ("201 executed", "true")
        assert upstream.count("k") == 3
