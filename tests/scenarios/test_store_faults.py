"""What a caller hears when the store does not answer, answers too late, or holds a record that does not open."""

import sqlite3
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.stage import Stage, playing
from tests.upstream import Play, Upstream, answer


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "gateway.db"


@pytest.fixture
def stage(upstream: Upstream, file: Path, tmp_path: Path) -> Iterator[Stage]:
    with playing(upstream, f"sqlite:///{file}", tmp_path) as running:
        yield running


@contextmanager
def locked(file: Path) -> Generator[None]:
    """Another process holds the write lock, as a stuck back-up would."""
    other = sqlite3.connect(file, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
    finally:
        other.close()


def test_without_a_store_a_new_key_is_refused_and_nothing_is_sent(stage: Stage, file: Path) -> None:
    with locked(file):
        refused = stage.post("k")
        assert refused.told == "503 unavailable store-unavailable"
        assert refused.get("retry-after") == "1"
        assert refused.get("idempotency-origin") == "gateway"
        assert stage.admin("/readyz").status == 503
    assert stage.admin("/readyz").status == 200
    assert stage.upstream.log == []
    assert stage.post("k").told == "201 executed"


def test_an_answer_that_is_not_recorded_in_time_is_told_and_recorded_when_the_store_is_back(
    stage: Stage, file: Path
) -> None:
    gate = threading.Event()
    stage.upstream.then(Play(answer(201, b"true"), gate=gate))
    first = stage.meanwhile("k")
    stage.upstream.wait_for(1)
    with locked(file):
        gate.set()
        heard = first.result()
        assert (heard.told, heard.body) == ("201 executed", b"true")
        assert heard.get("idempotency-recorded") == "false"
        assert heard.get("idempotency-expires") is None
    retry = stage.post("k")
    while retry.status == 409:
        retry = stage.post("k")
    assert (retry.told, retry.body) == ("201 replayed", b"true")
    assert stage.upstream.count("k") == 1
    assert stage.metric('idempotency_gateway_settlements_slow_total{route="api"}') == 1


def test_without_a_store_an_operator_may_choose_to_pass_calls_on_marked_and_counted(
    upstream: Upstream, file: Path, tmp_path: Path
) -> None:
    with playing(upstream, f"sqlite:///{file}", tmp_path, "policy: {on_store_down: pass}") as stage:
        with locked(file):
            assert stage.post("k").told == "201 unguarded"
        assert stage.metric('idempotency_gateway_policy_choices_total{choice="pass",route="api"}') == 1
        assert stage.post("k").told == "201 executed", "what passed unguarded was never kept"


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE records SET body = CAST('{\"id\":2}' AS BLOB)",
        "UPDATE records SET head = x'ff'",
        "UPDATE records SET head = CAST(x'7f' || substr(head, 2) AS BLOB)",
    ],
    ids=["another body", "no head", "a newer version"],
)
def test_a_record_that_does_not_open_is_a_fault_and_never_sent_again(stage: Stage, file: Path, damage: str) -> None:
    assert stage.post("k").told == "201 executed"
    other = sqlite3.connect(file)
    with other:
        assert other.execute(damage).rowcount == 1
    other.close()
    refused = stage.post("k")
    assert refused.told == "500 unavailable record-unreadable"
    assert stage.upstream.count("k") == 1


def test_two_swapped_records_do_not_open(stage: Stage, file: Path) -> None:
    stage.post("one")
    stage.post("two")
    other = sqlite3.connect(file)
    (one, head_one, body_one), (two, head_two, body_two) = other.execute(
        "SELECT id, head, body FROM records"
    ).fetchall()
    with other:
        other.execute("UPDATE records SET head = ?, body = ? WHERE id = ?", (head_two, body_two, one))
        other.execute("UPDATE records SET head = ?, body = ? WHERE id = ?", (head_one, body_one, two))
    other.close()
    for key in ("one", "two"):
        assert stage.post(key).told == "500 unavailable record-unreadable"


def test_no_secret_and_no_request_is_in_the_file(stage: Stage, file: Path) -> None:
    canaries = [f"canary-{name}" for name in ("key", "token", "cookie", "body", "query", "answer-cookie")]
    key, token, cookie, body, query, answer_cookie = canaries
    stage.upstream.then(Play(answer(201, b"kept", ("Set-Cookie", answer_cookie))))
    fields = (("Authorization", f"Bearer {token}"), ("Cookie", cookie))
    assert stage.post(key, body.encode(), *fields, target=f"/charges?q={query}").told == "201 executed"
    stored = b"".join(part.read_bytes() for part in file.parent.glob("gateway.db*"))
    assert b"kept" in stored
    assert [canary for canary in canaries if canary.encode() in stored] == []
