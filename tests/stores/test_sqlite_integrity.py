"""Laws of damaged records: a fault to whoever asks for them, never an absence, and nobody else's fault."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.errors import RecordUnreadable, StoreUnavailable
from gateway.protocol.model import Complete, Granted, KeyExpired, MarkUnknown, Release, Replay
from tests.stores.backends import Bench, SqliteBackend
from tests.stores.requests import ANSWER, claim, record_id


@pytest.fixture
def backend(tmp_path: Path) -> SqliteBackend:
    return SqliteBackend(tmp_path / "store.db")


@pytest.fixture
def bench(backend: SqliteBackend) -> Iterator[Bench]:
    with Bench(backend) as bench:
        yield bench


def _assert_unreadable(bench: Bench, key: str) -> None:
    with pytest.raises(RecordUnreadable):
        bench.claim(claim(key))
    with pytest.raises(RecordUnreadable):
        bench.look(record_id(key))


@pytest.mark.parametrize(
    "damage",
    [
        "head = CAST(substr(head, 1, 2) || x'07' || substr(head, 4) AS BLOB)",
        "head = CAST(x'02' || substr(head, 2) AS BLOB)",
        "head = x''",
        "body = CAST(body || x'00' AS BLOB)",
        "body = NULL",
        "fence = fence + 1",
        "recipe = '[9]'",
        "recipe = NULL",
        "created_at = NULL",
        "created_at = 9223372036854775807",
        "state = 1",
        "state = 3",
        "state = 4",
        "state = 9",
    ],
)
def test_a_damaged_answer_does_not_open(bench: Bench, backend: SqliteBackend, damage: str) -> None:
    grant = bench.completed(claim("k"), ANSWER)
    backend.execute(f"UPDATE records SET {damage}")  # noqa: S608 - the parameters above
    _assert_unreadable(bench, "k")
    for settlement in (Release(), MarkUnknown("late")):
        with pytest.raises((RecordUnreadable, StoreUnavailable)):
            bench.settle(grant, settlement)
    _assert_unreadable(bench, "k")


def test_answers_of_two_records_that_were_swapped_do_not_open(bench: Bench, backend: SqliteBackend) -> None:
    bench.completed(claim("a"), ANSWER)
    bench.completed(claim("b"), ANSWER)
    a, b = record_id("a").digest, record_id("b").digest
    for was, becomes in ((a, b"swap" * 8), (b, a), (b"swap" * 8, b)):
        backend.execute("UPDATE records SET id = :becomes WHERE id = :was", was=was, becomes=becomes)
    _assert_unreadable(bench, "a")
    _assert_unreadable(bench, "b")


def test_a_record_that_does_not_open_hurts_nobody_else_in_its_batch(bench: Bench, backend: SqliteBackend) -> None:
    bench.completed(claim("good"), ANSWER)
    bench.completed(claim("bad"), ANSWER)
    backend.execute("UPDATE records SET body = x'00' WHERE id = :id", id=record_id("bad").digest)

    async def at_once() -> list[object]:
        claims = (claim(key) for key in ("good", "bad", "new"))
        return list(await asyncio.gather(*(bench.store.claim(each) for each in claims), return_exceptions=True))

    assert [type(told) for told in bench.run(at_once())] == [Replay, RecordUnreadable, Granted]


def test_a_damaged_answer_past_its_replay_is_a_tombstone_before_and_after_a_sweep(
    bench: Bench, backend: SqliteBackend
) -> None:
    grant = bench.completed(claim("k"), ANSWER)
    backend.execute("UPDATE records SET body = x'00'")
    bench.age(grant.id, 101)
    assert bench.claim(claim("k")) == KeyExpired()
    bench.sweep()
    assert bench.claim(claim("k")) == KeyExpired()


def test_a_released_key_whose_history_is_damaged_is_granted_to_nobody(bench: Bench, backend: SqliteBackend) -> None:
    bench.settle(bench.granted(claim("bad")), Release())
    backend.execute("UPDATE records SET history = history || 'x'")

    async def at_once() -> list[object]:
        claims = (claim(key) for key in ("bad", "new"))
        return list(await asyncio.gather(*(bench.store.claim(each) for each in claims), return_exceptions=True))

    assert [type(told) for told in bench.run(at_once())] == [RecordUnreadable, Granted]


def test_what_a_release_or_an_expiry_ends_is_no_longer_in_the_row(bench: Bench, backend: SqliteBackend) -> None:
    bench.settle(bench.granted(claim("released")), Release())
    bench.age(bench.completed(claim("expired"), ANSWER).id, 101)
    bench.sweep()
    rows = backend.execute("SELECT state, recipe, scope, fingerprint, head, body FROM records ORDER BY state")
    (released, expired) = rows
    assert released[1:] == (None,) * 5
    assert expired[4:] == (None, None)


def test_an_answer_under_another_digest_key_does_not_open(bench: Bench, backend: SqliteBackend) -> None:
    grant = bench.completed(claim("k"), ANSWER)
    backend.execute("DELETE FROM facts")
    bench.run(bench.store.digest_keys([None]))
    _assert_unreadable(bench, "k")
    with pytest.raises(RecordUnreadable):
        bench.settle(grant, Complete(ANSWER))
