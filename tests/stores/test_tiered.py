"""The tiered store sits the contract, its front up, severed from the start and severed midway; and laws of its own."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway.errors import StoreUnavailable, StoreUnfit
from gateway.protocol import observations as seen
from gateway.protocol.model import (
    Busy,
    CallerChanged,
    Claim,
    Complete,
    Completed,
    Grant,
    Granted,
    MarkUnknown,
    Mismatch,
    Release,
    Replay,
    Settled,
    Settlement,
    Undecided,
    Verdict,
)
from gateway.stores.memory import MemoryStore
from gateway.stores.tiered import HINT_LIFETIME
from tests.stores.backends import AuthorityBackend, Bench, MemoryBackend, SqliteBackend
from tests.stores.contract import StoreContract
from tests.stores.fronts import DictFront, TieredBackend
from tests.stores.requests import ANSWER, LEASE, NOT_KEPT, claim, record_id


@pytest.fixture(params=["memory", "sqlite"])
def authority(request: pytest.FixtureRequest, tmp_path: Path) -> AuthorityBackend:
    return MemoryBackend() if request.param == "memory" else SqliteBackend(tmp_path / "records.db")


class TestTiered(StoreContract):
    @pytest.fixture(params=["up", "severed from the start", "severed midway"])
    def bench(self, request: pytest.FixtureRequest, authority: AuthorityBackend) -> Iterator[Bench]:
        lasts = {"up": None, "severed from the start": 0, "severed midway": 5}[request.param]
        with Bench(TieredBackend(authority, DictFront(lasts=lasts))) as bench:
            yield bench


class Pair:
    """Two gateways' stores on one authority and one front, and the front's orders."""

    def __init__(self, stack: ExitStack, path: Path) -> None:
        self.front = DictFront()
        self.backends = [TieredBackend(SqliteBackend(path), self.front) for _ in range(2)]
        self.one, self.other = (stack.enter_context(Bench(backend)) for backend in self.backends)

    def settle_down(self) -> None:
        """Lets what nobody waits for be written."""
        for bench in (self.one, self.other):
            bench.run(asyncio.sleep(0))

    def seen(self) -> Sequence[object]:
        return self.backends[0].seen.observations

    def lose_authority(self) -> None:
        self.backends[0].authority.sever()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with ExitStack() as stack:
        yield Pair(stack, tmp_path / "records.db")


def test_a_completed_answer_is_replayed_by_the_front_when_the_authority_is_lost(pair: Pair) -> None:
    pair.one.completed(claim("k"), ANSWER)
    pair.one.completed(claim("n"), NOT_KEPT)
    pair.settle_down()
    pair.lose_authority()
    for bench in (pair.one, pair.other):
        verdict = bench.claim(claim("k"))
        assert isinstance(verdict, Replay)
        assert verdict.response == ANSWER
        assert bench.claim(claim("k", body=b"other")) == Mismatch()
        assert bench.claim(claim("k", caller=b"mallory")) == CallerChanged()
        with pytest.raises(StoreUnavailable):
            bench.claim(claim("new"))


def test_a_front_that_lost_everything_grants_nothing(pair: Pair) -> None:
    grant = pair.one.granted(claim("k"))
    pair.settle_down()
    pair.front.copies.clear()
    assert isinstance(pair.other.claim(claim("k")), Busy)
    pair.one.settle(grant, MarkUnknown("reset"))
    pair.settle_down()
    pair.front.copies.clear()
    assert isinstance(pair.other.claim(claim("k")), Undecided)


def hinted(pair: Pair) -> Grant:
    """A call in flight that has had a duplicate."""
    grant = pair.one.granted(claim("k"))
    assert isinstance(pair.one.claim(claim("k")), Busy)
    pair.settle_down()
    return grant


def test_once_a_duplicate_came_a_hint_turns_away_the_others_without_the_authority(pair: Pair) -> None:
    hinted(pair)
    pair.lose_authority()
    verdict = pair.other.claim(claim("k"))
    assert isinstance(verdict, Busy)
    assert verdict.age + verdict.rest == LEASE


def test_a_hint_says_nothing_of_another_request(pair: Pair) -> None:
    """The hint may be older than a release, and a released key remembers no request."""
    grant = hinted(pair)
    stale = dict(pair.front.copies)
    pair.one.settle(grant, Release())
    pair.settle_down()
    pair.front.copies.update(stale)
    assert isinstance(pair.other.claim(claim("k", body=b"other")), Granted)


class Unheard(MemoryStore):
    """Does what it is asked; whether anybody hears of it is another matter."""

    heard = True

    async def claim(self, claim: Claim) -> Verdict:
        verdict = await super().claim(claim)
        if not self.heard:
            raise StoreUnavailable("the store did not answer in time", unsure=True)
        return verdict


class UnheardBackend(MemoryBackend):
    def __init__(self) -> None:
        self.store: Unheard = Unheard()


def test_a_claim_that_was_not_answered_finds_its_grant_behind_the_hint_of_another_call() -> None:
    """That call has ended, its hint came late: who believed it would leave the grant behind, in flight for nobody."""
    authority, front = UnheardBackend(), DictFront()
    with Bench(TieredBackend(authority, front)) as bench:
        first = bench.granted(claim("k"))
        assert isinstance(bench.claim(claim("k")), Busy)
        bench.run(asyncio.sleep(0))
        hint = dict(front.copies)
        bench.settle(first, Release())
        bench.run(asyncio.sleep(0))
        authority.store.heard, unanswered = False, claim("k")
        with pytest.raises(StoreUnavailable):
            bench.claim(unanswered)
        authority.store.heard = True
        front.copies.update(hint)
        assert isinstance(bench.claim(claim("k")), Busy), "the hint is believed, or this test shows nothing"
        taken_back = bench.granted(unanswered)
        assert bench.settle(taken_back, Release()) == Settled()


def test_a_hint_lives_no_longer_than_two_seconds(pair: Pair) -> None:
    hinted(pair)
    pair.front.age(record_id("k"), HINT_LIFETIME.total_seconds())
    pair.lose_authority()
    with pytest.raises(StoreUnavailable):
        pair.other.claim(claim("k"))


@pytest.mark.parametrize("settlement", [Release(), MarkUnknown("reset")])
def test_a_settlement_without_an_answer_takes_the_hint_away(pair: Pair, settlement: Settlement) -> None:
    grant = hinted(pair)
    assert isinstance(pair.front.copies[record_id("k")], tuple)
    pair.one.settle(grant, settlement)
    pair.settle_down()
    assert pair.front.copies == {}


def test_a_claim_repeated_by_its_owner_is_no_busy_one(pair: Pair) -> None:
    once = claim("k")
    pair.one.granted(once)
    assert isinstance(pair.one.claim(claim("k")), Busy)
    pair.settle_down()
    assert isinstance(pair.front.copies[record_id("k")], tuple)
    assert isinstance(pair.other.claim(once), Granted)


def test_a_lost_copy_is_brought_back_by_the_next_retry_and_compared_again(pair: Pair) -> None:
    pair.one.completed(claim("k"), ANSWER)
    pair.settle_down()
    pair.front.copies.clear()
    assert isinstance(pair.other.claim(claim("k")), Replay)
    refill(pair.other)
    copy, record = pair.front.copies[record_id("k")], pair.other.look(record_id("k"))
    assert copy == record


def test_a_copy_that_was_overtaken_while_it_was_written_is_taken_away_again(pair: Pair) -> None:
    """Law 6: the second look finds that the record is another one by now."""
    pair.one.completed(claim("k"), ANSWER)
    pair.settle_down()
    pair.front.copies.clear()
    authority = pair.backends[1].authority

    class Overtaken(DictFront):
        async def keep(self, record: Completed) -> None:
            await super().keep(record)
            authority.age(record.id, 101)

    pair.front.__class__ = Overtaken
    assert isinstance(pair.other.claim(claim("k")), Replay)
    refill(pair.other)
    assert pair.front.copies == {}


def refill(bench: Bench) -> None:
    """Waits for the store's own writing to end."""

    async def written() -> None:
        while tasks := bench.store._way.under_way:  # type: ignore[attr-defined]
            await asyncio.wait(tasks)

    bench.run(written())


def test_an_old_dump_of_the_front_changes_nothing_that_was_decided(pair: Pair) -> None:
    grant = hinted(pair)
    dump = dict(pair.front.copies)
    pair.one.settle(grant, Release())
    pair.settle_down()
    second = pair.one.granted(claim("k"))
    pair.one.settle(second, MarkUnknown("reset"))
    pair.settle_down()
    pair.front.copies = dump
    pair.front.age(record_id("k"), HINT_LIFETIME.total_seconds())
    assert isinstance(pair.other.claim(claim("k")), Undecided)


# A front that does not answer


def test_a_silent_front_costs_its_budget_three_times_and_then_nothing_until_its_pause_is_over(pair: Pair) -> None:
    pair.front.silent = True
    for number in range(5):
        pair.one.granted(claim(f"{number}"))
    results = [each.result for each in pair.seen() if isinstance(each, seen.FrontAsked)]
    assert results[:2] == ["fault", "fault"]
    assert results[-1] == "skipped"
    lost = [each for each in pair.seen() if isinstance(each, seen.FrontLost)]
    assert lost == [seen.FrontLost("no answer within 50 ms")]


def test_a_front_that_is_back_is_told_once_and_used_again(pair: Pair) -> None:
    pair.front.down = True
    for number in range(4):
        pair.one.claim(claim(f"{number}"))
    pair.front.down = False
    pair.one.claim(claim("while it rests"))
    assert not any(isinstance(each, seen.FrontBack) for each in pair.seen())
    pair.backends[0].clock.now += 1.5
    pair.one.completed(claim("k"), ANSWER)
    refill(pair.one)
    assert [each for each in pair.seen() if isinstance(each, seen.FrontBack)] == [seen.FrontBack()]
    assert isinstance(pair.front.copies[record_id("k")], Completed)


def test_a_front_that_comes_back_as_anothers_is_left_alone(pair: Pair) -> None:
    pair.front.down = True
    for number in range(4):
        pair.one.claim(claim(f"{number}"))
    pair.front.down, pair.front.foreign = False, True
    pair.backends[0].clock.now += 1.5
    pair.one.completed(claim("k"), ANSWER)
    refill(pair.one)
    assert pair.front.copies == {}


def test_the_front_of_another_authority_is_refused_at_the_start() -> None:
    backend = TieredBackend(MemoryBackend(), DictFront(foreign=True))
    with pytest.raises(StoreUnfit, match="another authority"):
        asyncio.run(backend.open())


def test_a_front_that_is_down_at_the_start_is_joined_when_it_comes(tmp_path: Path) -> None:
    backend = TieredBackend(SqliteBackend(tmp_path / "records.db"), DictFront(down=True))
    with Bench(backend) as bench:
        assert isinstance(backend.seen.observations[0], seen.FrontLost)
        backend.front.down = False
        backend.clock.now += 1.5
        bench.completed(claim("k"), ANSWER)
        refill(bench)
        assert isinstance(backend.front.copies[record_id("k")], Completed)


# What it costs


def test_a_first_call_makes_one_trip_to_the_front_before_it_is_sent_and_one_after_it_was_answered(pair: Pair) -> None:
    pair.front.trips.clear()
    grant = pair.one.granted(claim("k"))
    pair.settle_down()
    assert pair.front.trips == ["recall"]
    pair.one.settle(grant, Complete(ANSWER))
    pair.settle_down()
    assert pair.front.trips == ["recall", "keep"]


def test_a_replay_makes_one_trip_to_the_front_and_none_to_the_authority(pair: Pair) -> None:
    pair.one.completed(claim("k"), ANSWER)
    pair.settle_down()
    pair.front.trips.clear()
    pair.lose_authority()
    assert isinstance(pair.one.claim(claim("k")), Replay)
    assert pair.front.trips == ["recall"]


def test_many_retries_of_one_lost_copy_bring_it_back_once(pair: Pair) -> None:
    pair.one.completed(claim("k"), ANSWER)
    pair.settle_down()
    pair.front.copies.clear()
    pair.front.trips.clear()
    pair.one.claim_at_once([claim("k") for _ in range(40)])
    refill(pair.one)
    assert pair.front.trips.count("keep") == 1
