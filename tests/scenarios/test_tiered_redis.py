"""A Redis in front that is slow, silent, old, full or damaged costs time, and changes no answer."""

import random
import shutil
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.stores.redis.front import PREFIX
from tests.faultproxy import Direction, proxying
from tests.redis_servers import IN_MEMORY, eventually
from tests.scenarios.fleet import Fleet
from tests.scenarios.tiers import BUSY, REPEATED, AskingFleet, Redis, repeated_again
from tests.upstream import Logged, Play, Upstream, answer


@pytest.mark.parametrize("silence", ["paused", "unheard"])
def test_a_silent_redis_costs_a_call_its_budget_and_not_the_silence(
    upstream: Upstream, redis: Redis, database: str, tmp_path: Path, silence: str
) -> None:
    with (
        proxying(redis.server.port) as proxy,
        AskingFleet(upstream, tmp_path, f"{database} redis://127.0.0.1:{proxy.port}/0") as fleet,
    ):
        kept = fleet.ask("kept").body
        redis.eventually_keeps(1)
        if silence == "paused":
            redis.server.ask.client_pause(60_000)
        else:
            proxy.down = Direction(swallows=True)
        for number in range(6):
            begun = time.monotonic()
            assert fleet.ask(f"{number}").told == "201 executed"
            assert fleet.ask("kept").body == kept
            assert time.monotonic() - begun < 2, "two budgets of 50 ms, and what a slow machine needs"
        assert fleet.metric('front_asked_total{result="skipped"}') > 0, "the breaker spares calls even the budget"
        assert fleet.metric("front_lost_total") == 1
    assert len(upstream.log) == 7


def test_a_redis_that_obeys_and_is_not_heard_keeps_what_it_was_told(
    upstream: Upstream, redis: Redis, database: str, tmp_path: Path
) -> None:
    with (
        proxying(redis.server.port) as proxy,
        AskingFleet(upstream, tmp_path, f"{database} redis://127.0.0.1:{proxy.port}/0") as fleet,
    ):
        proxy.drops_reply_to, proxy.drops_again = PREFIX, True
        first = fleet.ask("k")
        assert first.told == "201 executed"
        eventually(lambda: fleet.ask("k").body == first.body and len(redis.copies()) == 1)
        assert proxy.dropped > 0, "a reply was lost, or this test shows nothing"
        proxy.heal()
        repeated_again(fleet, "k")
        assert fleet.ask("k").body == first.body
    assert upstream.count("k") == 1


def test_a_redis_that_is_restored_from_an_old_dump_changes_nothing_that_was_decided(
    upstream: Upstream, redis: Redis, fleet: Fleet, tmp_path: Path
) -> None:
    gate = threading.Event()
    upstream.by_key = lambda logged, _: Play(
        b"" if logged.key == "lost" else answer(201, logged.key.encode()),
        then="reset" if logged.key == "lost" else "close",
        gate=None if logged.key == "kept" else gate,
    )
    assert fleet.ask("kept").told == "201 executed"
    with ThreadPoolExecutor(2) as pool:
        lost, done = [pool.submit(fleet.ask, key) for key in ("lost", "done")]
        upstream.wait_for(3)
        assert [fleet.ask(key).told for key in ("lost", "done")] == [BUSY, BUSY]
        redis.eventually_keeps(3)
        redis.server.ask.save()
        shutil.copy(redis.folder / "dump.rdb", tmp_path / "old.rdb")
        gate.set()
        assert lost.result().told == "502 unknown outcome-unknown"
        assert done.result().told == "201 executed"
    redis.kill()
    shutil.copy(tmp_path / "old.rdb", redis.folder / "dump.rdb")
    redis.come_back()
    assert redis.copies(), "it is the old dump, or this test shows nothing"
    assert fleet.ask("kept").body == b"kept"
    for key, decided in (("lost", "409 unknown outcome-unknown"), ("done", "201 replayed")):
        # An old hint may turn callers away for what is left of its two seconds.
        asked = iter(lambda: fleet.ask(key).told, "")  # noqa: B023 - asked in this round
        assert next(told for told in asked if told != BUSY) == decided
    assert fleet.ask("done").body == b"done"
    assert Counter(logged.key for logged in upstream.log) == {"kept": 1, "lost": 1, "done": 1}


@pytest.mark.parametrize(
    ("policy", "counter"), [("allkeys-lru", "evicted_keys"), ("noeviction", "total_error_replies")]
)
def test_a_redis_that_evicts_or_takes_no_more_is_harmless(
    upstream: Upstream, database: str, tmp_path: Path, policy: str, counter: str
) -> None:
    def play(logged: Logged, _: int) -> Play:
        return Play(answer(201, random.Random(logged.key).randbytes(30_000)), then="keep")

    upstream.by_key = play
    keys = [f"{number}" for number in range(120)]
    small = Redis.begin(tmp_path / "small", *IN_MEMORY, "--maxmemory", "3mb", "--maxmemory-policy", policy)
    try:
        with AskingFleet(upstream, tmp_path, f"{database} {small.server.url}") as fleet:
            before = small.server.ask.info("stats")[counter]
            assert {fleet.ask(key).told for key in keys} == {"201 executed"}
            eventually(lambda: small.server.ask.info("stats")[counter] > before)
            for key in reversed(keys):
                again = fleet.ask(key)
                assert (again.told, again.body) == ("201 replayed", random.Random(key).randbytes(30_000))
            # What it has, it repeats; one that refused copies is left alone for a second at a time.
            repeated_again(fleet, keys[0])
    finally:
        small.kill()
    assert set(Counter(logged.key for logged in upstream.log).values()) == {1}


def test_a_copy_with_flipped_bits_is_none_and_postgres_answers(upstream: Upstream, redis: Redis, fleet: Fleet) -> None:
    first = fleet.ask("k")
    for damaged in range(1, 6):
        redis.eventually_keeps(1)
        (name,) = redis.copies()
        text = bytearray(redis.server.ask.get(name))  # type: ignore[arg-type]
        text[random.Random(damaged).randrange(len(text))] ^= 1 << damaged
        redis.server.ask.set(name, bytes(text))
        again = fleet.ask("k")
        assert (again.told, again.body) == ("201 replayed", first.body)
        # It is brought back: whole, and no longer the damaged one.
        eventually(lambda: redis.server.ask.get(name) != bytes(text))  # noqa: B023 - asked in this round
    assert fleet.metric(REPEATED) == 0
    assert upstream.count("k") == 1


def test_copies_that_were_swapped_are_none_and_postgres_answers(upstream: Upstream, redis: Redis, fleet: Fleet) -> None:
    first = {key: fleet.ask(key).body for key in ("one", "two")}
    redis.eventually_keeps(2)
    one, two = redis.copies()
    for name, place in ((one, b"aside"), (two, one), (b"aside", two)):
        redis.server.ask.rename(name, place)
    for key, body in first.items():
        again = fleet.ask(key)
        assert (again.told, again.body) == ("201 replayed", body)
    assert fleet.metric(REPEATED) == 0
    assert len(upstream.log) == 2
