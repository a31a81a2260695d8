"""Forgetting through a front that is lost, late, restored from an old dump, or another one for each gateway."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway.errors import StoreUnavailable
from gateway.protocol import observations as seen
from gateway.protocol.model import Complete, Completed, Forgotten, Grant, KeyExpired, MarkUnknown, RecordId, Replay
from gateway.stores.erasing import BATCH
from tests.stores.backends import Bench, MemoryBackend, SqliteBackend
from tests.stores.fronts import DictFront, Gone, TieredBackend
from tests.stores.requests import ANSWER, claim, record_id
from tests.stores.test_tiered import refill

K = record_id("k")


class Gateways:
    """Two on one authority, each with a way of its own to one front."""

    def __init__(self, stack: ExitStack, path: Path) -> None:
        self.fronts = [DictFront(), DictFront()]
        self.fronts[1].copies = self.fronts[0].copies
        self.backends = [TieredBackend(SqliteBackend(path), front) for front in self.fronts]
        self.one, self.other = (stack.enter_context(Bench(backend)) for backend in self.backends)

    def completed(self, key: str = "k") -> Grant:
        """Answered, and its copy has arrived."""
        grant = self.one.completed(claim(key), ANSWER)
        refill(self.one)
        assert isinstance(self.fronts[0].copies[grant.id], Completed)
        return grant

    def restore(self, copies: dict[RecordId, object]) -> None:
        """The front is another process now, which began with these copies."""
        for front in self.fronts:
            front.copies.clear()
            front.copies.update(copies)  # type: ignore[arg-type]
            front.incarnation = "the second"

    def is_gone(self, record_id: RecordId = K) -> bool:
        match self.fronts[0].copies.get(record_id):
            case (Gone(), _):
                return True
            case _:
                return False

    def pass_time(self) -> None:
        for backend in self.backends:
            backend.clock.now += 1.5


@pytest.fixture
def gateways(tmp_path: Path) -> Iterator[Gateways]:
    with ExitStack() as stack:
        yield Gateways(stack, tmp_path / "records.db")


def test_a_forgotten_answer_is_gone_from_the_front_and_is_replayed_by_no_gateway(gateways: Gateways) -> None:
    grant = gateways.completed()
    assert gateways.one.forget(K, grant.fence) == Forgotten(copies_gone=True)
    assert gateways.is_gone()
    for bench in (gateways.one, gateways.other):
        assert bench.claim(claim("k")) == KeyExpired()
    gateways.backends[0].authority.sever()
    with pytest.raises(StoreUnavailable):
        gateways.other.claim(claim("k"))


def test_a_copy_that_could_not_be_reached_goes_when_the_front_is_back_and_asked_again_it_is_told(
    gateways: Gateways,
) -> None:
    grant = gateways.completed()
    gateways.fronts[0].down = True
    assert gateways.one.forget(K, grant.fence) == Forgotten(copies_gone=False)
    assert gateways.one.claim(claim("k")) == KeyExpired()
    assert gateways.one.forget(K, grant.fence) == Forgotten(copies_gone=False)
    assert isinstance(gateways.other.claim(claim("k")), Replay), "a copy, while copies_gone is false"
    gateways.fronts[0].down = False
    gateways.pass_time()
    assert gateways.one.claim(claim("k")) == KeyExpired()
    refill(gateways.one)
    assert gateways.is_gone()
    assert gateways.one.forget(K, grant.fence) == Forgotten(copies_gone=True)
    assert gateways.other.claim(claim("k")) == KeyExpired()


def test_a_front_that_is_back_hears_of_what_another_gateway_forgot_meanwhile(gateways: Gateways) -> None:
    grant = gateways.completed()
    for front in gateways.fronts:
        front.down = True
    for number in range(4):
        gateways.other.granted(claim(f"{number}"))
    assert gateways.one.forget(K, grant.fence) == Forgotten(copies_gone=False)
    gateways.fronts[1].down = False
    gateways.pass_time()
    gateways.other.granted(claim("new"))
    refill(gateways.other)
    assert seen.FrontBack() in gateways.backends[1].seen.observations
    assert gateways.is_gone()
    assert gateways.one.forget(K, grant.fence) == Forgotten(copies_gone=True), "as the other has noted"


def test_a_gateway_without_calls_brings_erasures_with_its_sweep(gateways: Gateways) -> None:
    grant = gateways.completed()
    gateways.fronts[0].down = True
    assert gateways.one.forget(K, grant.fence) == Forgotten(copies_gone=False)
    gateways.other.sweep()
    assert gateways.is_gone()


def test_after_one_lost_trip_the_front_is_not_believed_by_the_gateway_that_forgot(gateways: Gateways) -> None:
    """One fault is too little for the breaker, so that nobody would say that the front is back."""
    grant = gateways.completed()
    gateways.fronts[0].down = True
    assert gateways.one.forget(K, grant.fence) == Forgotten(copies_gone=False)
    gateways.fronts[0].down = False
    assert gateways.one.claim(claim("k")) == KeyExpired()
    refill(gateways.one)
    assert gateways.is_gone()


def test_a_front_restored_from_an_old_dump_repeats_nothing_that_was_forgotten_since(gateways: Gateways) -> None:
    grant, _ = gateways.completed(), gateways.completed("living")
    dump = dict(gateways.fronts[0].copies)
    assert gateways.one.forget(K, grant.fence) == Forgotten(copies_gone=True)
    gateways.restore(dict(dump))
    for bench in (gateways.one, gateways.other):
        assert bench.claim(claim("k")) == KeyExpired(), "the very first call that meets it"
        refill(bench)
    assert gateways.is_gone()
    gateways.backends[0].authority.sever()
    assert isinstance(gateways.other.claim(claim("living")), Replay), "it is believed again"


def test_a_front_restored_from_an_old_dump_is_not_believed_while_nobody_can_say_what_was_forgotten(
    gateways: Gateways,
) -> None:
    grant = gateways.completed()
    dump = dict(gateways.fronts[0].copies)
    gateways.one.forget(K, grant.fence)
    gateways.restore(dict(dump))
    gateways.backends[0].authority.sever()
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            gateways.other.claim(claim("k"))
        refill(gateways.other)
        gateways.pass_time()


def test_a_copy_that_was_long_on_its_way_does_not_bring_the_answer_back(gateways: Gateways) -> None:
    grant = gateways.one.granted(claim("k"))
    gateways.fronts[0].keeps_at = arrives = asyncio.Event()
    gateways.one.settle(grant, Complete(ANSWER))
    assert gateways.other.forget(K, grant.fence) == Forgotten(copies_gone=True)
    assert gateways.fronts[0].trips[-1] == "keep", "it is on its way, or this test shows nothing"
    arrives.set()
    refill(gateways.one)
    assert gateways.is_gone()
    assert gateways.other.claim(claim("k")) == KeyExpired()


def test_two_gateways_that_see_different_fronts_bring_each_theirs_once_a_sweep(gateways: Gateways) -> None:
    grant = gateways.completed()
    gateways.fronts[1].copies, gateways.fronts[1].incarnation = {}, "elsewhere"
    gateways.one.forget(K, grant.fence)
    for _ in range(3):
        for bench, front in zip((gateways.one, gateways.other), gateways.fronts, strict=True):
            front.trips.clear()
            bench.sweep()
            refill(bench)
            # Meeting another front than the one before costs the other gateway one round more.
            assert front.trips.count("erase") <= 2
    assert isinstance(gateways.fronts[1].copies[K], tuple)


def test_more_erasures_than_a_batch_holds_are_all_brought() -> None:
    number = 2 * BATCH + 1
    backend = TieredBackend(MemoryBackend())
    with Bench(backend) as bench:
        grants = [bench.completed(claim(f"{each}"), ANSWER) for each in range(number)]
        refill(bench)
        backend.front.down = True
        assert {bench.forget(grant.id, grant.fence) for grant in grants} == {Forgotten(copies_gone=False)}
        backend.front.down = False
        backend.clock.now += 1.5
        bench.sweep()
        assert all(isinstance(backend.front.copies[grant.id], tuple) for grant in grants)


def test_what_was_never_copied_is_forgotten_without_a_trip(gateways: Gateways) -> None:
    grant = gateways.one.granted(claim("k"))
    gateways.one.settle(grant, MarkUnknown("reset"))
    refill(gateways.one)
    gateways.fronts[0].trips.clear()
    assert gateways.one.forget(K, grant.fence) == Forgotten(copies_gone=True)
    assert gateways.fronts[0].trips == []


def test_forgetting_costs_one_trip_and_a_sweep_without_work_one(gateways: Gateways) -> None:
    grant = gateways.completed()
    gateways.fronts[0].trips.clear()
    gateways.one.forget(K, grant.fence)
    gateways.one.sweep()
    assert gateways.fronts[0].trips == ["erase", "ping"]
