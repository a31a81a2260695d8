"""What two parsers could read differently is refused, the connection is closed, and nothing behind it is read.

Each bad request is followed, in the same segment, by a canary that must not reach the upstream. One gateway stands for
all of them, so that what one leaves behind would be met by the next.
"""

import json

import pytest

from tests.edge.corpus import AMBIGUOUS, CANARY, NOT_CARRIED, status_and_rest
from tests.raw import exchange
from tests.stage import Stage


@pytest.mark.parametrize("data", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_ambiguous_http_is_refused_and_the_connection_closed(stage: Stage, data: bytes) -> None:
    before, counted = len(stage.upstream.log), stage.metric(_counted("bad-request"))
    heard = exchange(stage.port, data + CANARY)
    status, rest = status_and_rest(heard)
    assert status == 400
    assert b"connection: close" in heard.lower()
    # Whole JSON: one refusal, and nothing after it.
    assert json.loads(rest)["type"] == "urn:idempotency-gateway:problem:bad-request"
    assert len(stage.upstream.log) == before
    assert stage.metric(_counted("bad-request")) == counted + 1


@pytest.mark.parametrize(("data", "status", "problem"), NOT_CARRIED.values(), ids=NOT_CARRIED)
def test_what_is_too_large_or_not_carried_is_refused_before_it_is_buffered(
    stage: Stage, data: bytes, status: int, problem: str
) -> None:
    before, counted = len(stage.upstream.log), counts(stage)
    heard = exchange(stage.port, data + CANARY)
    told, rest = status_and_rest(heard)
    assert told == status
    assert b"connection: close" in heard.lower()
    assert json.loads(rest)["type"] == f"urn:idempotency-gateway:problem:{problem}"
    assert len(stage.upstream.log) == before
    assert counts(stage) == counted + 1


@pytest.mark.parametrize(
    "name",
    [
        "length and chunked",
        "two lengths",
        "gzip and chunked",
        "chunked in HTTP/1.0",
        "a folded field",
        "bare line feeds",
        "a NUL in a value",
        "no host",
        "two hosts",
        "an absolute target",
        "connection names the credentials",
        "a request of RTSP",
    ],
)
def test_the_operators_listener_has_the_same_guard_against_what_frames_a_request(stage: Stage, name: str) -> None:
    health = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    status, rest = status_and_rest(exchange(stage.admin_port, AMBIGUOUS[name] + health))
    assert (status, json.loads(rest)["type"]) == (400, "urn:idempotency-gateway:problem:bad-request")


def counts(stage: Stage) -> float:
    """All calls that were answered, whatever they were answered."""
    lines = stage.admin("/metrics").body.decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("idempotency_gateway_calls_total{"))


def _counted(outcome: str) -> str:
    return f'idempotency_gateway_calls_total{{outcome="{outcome}",route=""}}'
