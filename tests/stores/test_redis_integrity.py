"""Laws of damaged records in a Redis: a fault to whoever asks for them, never an absence, and nobody else's fault."""

import asyncio
from collections.abc import Callable, Iterator

import pytest

from gateway.errors import RecordUnreadable
from gateway.ports import SweepCounts
from gateway.protocol.model import Complete, Grant, Granted, InFlight, KeyExpired, MarkUnknown, Release, Replay
from gateway.stores.redis.layout import key_of
from tests.stores.backends import Bench, RedisBackend
from tests.stores.requests import ANSWER, claim, record_id
from tests.stores.zoo import LIVING, Maker


@pytest.fixture
def bench(backend: RedisBackend) -> Iterator[Bench]:
    with Bench(backend) as bench:
        yield bench


def text_of(backend: RedisBackend, key: str) -> bytes:
    text = backend.server.ask.get(key_of(record_id(key)))
    assert isinstance(text, bytes)
    return text


def put(backend: RedisBackend, key: str, text: bytes) -> None:
    backend.server.ask.set(key_of(record_id(key)), text)


def assert_unreadable(bench: Bench, grant: Grant, key: str) -> None:
    with pytest.raises(RecordUnreadable):
        bench.claim(claim(key))
    with pytest.raises(RecordUnreadable):
        bench.look(grant.id)
    for settlement in (Complete(ANSWER), Release(), MarkUnknown("late")):
        with pytest.raises(RecordUnreadable):
            bench.settle(grant, settlement)


@pytest.mark.parametrize("name", ["in flight", "completed", "unknown", "released", "unknown expired"])
def test_a_record_with_any_flipped_bit_does_not_open(bench: Bench, backend: RedisBackend, name: str) -> None:
    grant = LIVING[name](bench, "k")
    bench.sweep()
    whole = text_of(backend, "k")
    for at in range(len(whole)):
        flipped = bytes([whole[at] ^ 1 << at % 8])
        put(backend, "k", whole[:at] + flipped + whole[at + 1 :])
        with pytest.raises(RecordUnreadable):
            bench.claim(claim("k"))
    put(backend, "k", whole[:20] + b"x" + whole[21:])
    assert_unreadable(bench, grant, "k")


@pytest.mark.parametrize("maker", LIVING.values(), ids=LIVING)
def test_a_record_that_was_cut_short_does_not_open(bench: Bench, backend: RedisBackend, maker: Maker) -> None:
    grant = maker(bench, "k")
    whole = text_of(backend, "k")
    for size in (0, 1, 26, 83, 84, 99):
        put(backend, "k", whole[:size])
        assert_unreadable(bench, grant, "k")


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: b"\x02" + text[1:],
        lambda text: b"\x00" + text[1:],
        lambda text: text + b"\x00",
        lambda text: text[:-1],
        lambda text: text[:-40],
    ],
    ids=["newer", "version 0", "longer", "shorter", "much shorter"],
)
def test_a_damaged_answer_does_not_open_and_cannot_be_written_over(
    bench: Bench, backend: RedisBackend, damage: Callable[[bytes], bytes]
) -> None:
    grant = bench.completed(claim("k"), ANSWER)
    damaged = damage(text_of(backend, "k"))
    put(backend, "k", damaged)
    assert_unreadable(bench, grant, "k")
    assert text_of(backend, "k") == damaged


@pytest.mark.parametrize("name", ["in flight", "completed", "unknown"])
def test_records_that_were_swapped_do_not_open(bench: Bench, backend: RedisBackend, name: str) -> None:
    grants = {key: LIVING[name](bench, key) for key in ("a", "b")}
    a, b = text_of(backend, "a"), text_of(backend, "b")
    put(backend, "a", b)
    put(backend, "b", a)
    for key, grant in grants.items():
        assert_unreadable(bench, grant, key)


def test_something_of_another_kind_under_a_records_key_does_not_open(bench: Bench, backend: RedisBackend) -> None:
    grant = bench.granted(claim("k"))
    backend.server.ask.delete(key_of(grant.id))
    backend.server.ask.hset(key_of(grant.id), "a", "b")
    assert_unreadable(bench, grant, "k")


def test_an_answer_under_another_digest_key_does_not_open(bench: Bench, backend: RedisBackend) -> None:
    bench.completed(claim("k"), ANSWER)
    backend.server.ask.delete("ig:digest-key")
    bench.run(bench.store.digest_keys([None]))
    with pytest.raises(RecordUnreadable):
        bench.claim(claim("k"))


def test_a_record_that_does_not_open_hurts_nobody_else_of_its_moment(bench: Bench, backend: RedisBackend) -> None:
    bench.completed(claim("good"), ANSWER)
    bench.completed(claim("bad"), ANSWER)
    put(backend, "bad", text_of(backend, "bad") + b"x")

    async def at_once() -> list[object]:
        claims = (claim(key) for key in ("good", "bad", "new"))
        return list(await asyncio.gather(*(bench.store.claim(each) for each in claims), return_exceptions=True))

    assert [type(told) for told in bench.run(at_once())] == [Replay, RecordUnreadable, Granted]


def test_a_damaged_answer_past_its_replay_is_a_tombstone_before_and_after_a_sweep(
    bench: Bench, backend: RedisBackend
) -> None:
    grant = bench.completed(claim("k"), ANSWER)
    bench.age(grant.id, 101)
    put(backend, "k", text_of(backend, "k")[:-1])
    assert bench.claim(claim("k")) == KeyExpired()
    bench.sweep()
    assert bench.claim(claim("k")) == KeyExpired()


def test_a_damaged_record_is_never_purged_and_stands_in_no_sweeps_way(bench: Bench, backend: RedisBackend) -> None:
    for number in range(3):
        grant = bench.granted(claim(f"{number}"))
        bench.age(grant.id, 60)
        put(backend, f"{number}", text_of(backend, f"{number}") + b"x")
    bench.age(bench.granted(claim("good")).id, 61)
    assert bench.sweep(2) == SweepCounts(lapsed=1)
    assert bench.sweep(2) == SweepCounts()
    with pytest.raises(RecordUnreadable):
        bench.claim(claim("0"))
    assert backend.server.ask.zcard("ig:unreadable") == 3


def test_an_index_that_does_not_tell_the_truth_is_mended_by_the_sweep(bench: Bench, backend: RedisBackend) -> None:
    grant = bench.granted(claim("k"))
    backend.server.ask.zadd("ig:released", {grant.id.digest: 1})
    backend.server.ask.zadd("ig:completed", {b"nothing of that name": 1})
    backend.server.ask.delete("ig:in-flight")
    assert bench.sweep() == SweepCounts()
    assert isinstance(bench.look(grant.id), InFlight)
    assert backend.server.ask.zrange("ig:in-flight", 0, -1) == [grant.id.digest]
    assert backend.server.ask.zcard("ig:released") == backend.server.ask.zcard("ig:completed") == 0


def test_what_a_release_or_an_expiry_ends_is_no_longer_in_the_record(bench: Bench, backend: RedisBackend) -> None:
    asked = claim("k")
    grant = bench.granted(asked)
    assert asked.identity.scope in text_of(backend, "k")
    bench.settle(grant, Release())
    assert asked.identity.scope not in text_of(backend, "k")
    assert asked.identity.fingerprint not in text_of(backend, "k")
    bench.age(bench.completed(claim("k"), ANSWER).id, 101)
    bench.sweep()
    assert ANSWER.body not in text_of(backend, "k")


def test_no_key_has_a_time_to_live(bench: Bench, backend: RedisBackend) -> None:
    for name, maker in LIVING.items():
        maker(bench, name)
    bench.sweep()
    keys = list(backend.server.ask.scan_iter("*"))
    assert len(keys) > len(LIVING)
    assert {backend.server.ask.ttl(key) for key in keys} == {-1}
