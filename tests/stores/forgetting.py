"""The laws of forgetting that every store sits, as a part of ``contract.StoreContract``.

Law 11 is of ``gateway.protocol.claims``, S7 of ``gateway.ports.Store``. A store in this process repeats nothing that it
has forgotten itself, whether or not its front could be reached.
"""

import asyncio

import pytest

from gateway.errors import StoreUnavailable
from gateway.ports import SweepCounts
from gateway.protocol.model import (
    Busy,
    CallerChanged,
    Complete,
    Completed,
    Expired,
    Forgotten,
    Granted,
    InFlight,
    KeyExpired,
    MarkUnknown,
    Mismatch,
    Moved,
    Release,
    Replay,
    Settled,
    Settlement,
    Unknown,
)
from tests.stores.backends import Bench
from tests.stores.requests import ANSWER, claim, record_id
from tests.stores.zoo import EVERYTHING, FORGOTTEN, LIVING

SETTLEMENTS = [Complete(ANSWER), Release(), MarkUnknown("late")]


class ForgettingContract:
    """Subclasses bring the fixture ``bench``."""

    @pytest.mark.parametrize("name", LIVING)
    def test_law_11_forgetting_leaves_the_tombstone_or_what_holds_nothing_or_what_is_in_flight(
        self, bench: Bench, name: str
    ) -> None:
        grant = LIVING[name](bench, name)
        before = bench.look(grant.id)
        told, after = bench.forget(grant.id, grant.fence), bench.look(grant.id)
        match before:
            case Completed() | Unknown():
                assert isinstance(told, Forgotten)
                assert after == Expired(before.id, before.fence, before.identity, before.forget_at)
            case InFlight():
                assert isinstance(told, Busy)
                assert told.age + told.rest == before.lease_until - before.created_at
                assert after == before
            case _:
                assert isinstance(told, Forgotten)
                assert after == before

    @pytest.mark.parametrize("name", FORGOTTEN)
    def test_law_11_what_time_has_forgotten_is_there_for_nobody_to_forget(self, bench: Bench, name: str) -> None:
        grant = FORGOTTEN[name](bench, name)
        assert bench.forget(grant.id, grant.fence) == Moved()
        assert bench.forget(record_id("never"), 1) == Moved()
        assert bench.look(grant.id) is None

    @pytest.mark.parametrize("name", LIVING)
    def test_law_11_whoever_names_another_fence_forgets_nothing(self, bench: Bench, name: str) -> None:
        grant = LIVING[name](bench, name)
        before = bench.look(grant.id)
        assert {bench.forget(grant.id, grant.fence + off) for off in (-1, 1)} == {Moved()}
        assert bench.look(grant.id) == before

    @pytest.mark.parametrize("settlement", SETTLEMENTS)
    @pytest.mark.parametrize("name", ["completed", "unknown", "lease over", "taken over, released"])
    def test_law_11_no_settlement_brings_back_what_was_forgotten(
        self, bench: Bench, name: str, settlement: Settlement
    ) -> None:
        grant = LIVING[name](bench, name)
        bench.forget(grant.id, grant.fence)
        before = bench.look(grant.id)
        assert bench.settle(grant, settlement) == Moved()
        assert bench.look(grant.id) == before
        assert bench.claim(claim(name, takeover=400)) == KeyExpired()

    def test_law_11_a_forgotten_key_still_tells_its_callers_and_requests_apart(self, bench: Bench) -> None:
        grant = bench.completed(claim("k"), ANSWER)
        bench.forget(grant.id, grant.fence)
        assert bench.claim(claim("k")) == KeyExpired()
        assert bench.claim(claim("k", body=b"other")) == Mismatch()
        assert bench.claim(claim("k", caller=b"bob")) == CallerChanged()

    def test_law_11_a_forgotten_key_is_a_new_one_when_its_time_is_over(self, bench: Bench) -> None:
        grant = bench.completed(claim("k"), ANSWER)
        bench.forget(grant.id, grant.fence)
        bench.age(grant.id, 1110)
        assert bench.sweep() == SweepCounts(forgotten=1)
        again = bench.completed(claim("k", body=b"new"), ANSWER)
        assert isinstance(bench.claim(claim("k", body=b"new")), Replay)
        assert isinstance(bench.forget(again.id, again.fence), Forgotten)
        assert bench.claim(claim("k", body=b"new")) == KeyExpired()

    def test_law_11_an_answer_whose_replay_is_over_needs_no_sweep_any_more(self, bench: Bench) -> None:
        grant = LIVING["replay over"](bench, "k")
        bench.forget(grant.id, grant.fence)
        assert bench.sweep() == SweepCounts()

    def test_s5_forgetting_again_says_the_same_and_changes_nothing(self, bench: Bench) -> None:
        grant = bench.completed(claim("k"), ANSWER)
        first, record = bench.forget(grant.id, grant.fence), bench.look(grant.id)
        assert isinstance(first, Forgotten)
        assert bench.forget(grant.id, grant.fence) == first
        assert bench.look(grant.id) == record

    def test_s4_a_store_that_is_cut_off_forgets_nothing(self, bench: Bench) -> None:
        grant = bench.completed(claim("k"), ANSWER)
        bench.backend.sever()
        with pytest.raises(StoreUnavailable):
            bench.forget(grant.id, grant.fence)

    def test_s6_a_sweep_changes_nothing_that_forgetting_says(self, bench: Bench) -> None:
        told: list[dict[str, object]] = []
        for sweeps in (False, True):
            grants = {name: maker(bench, f"{name}, swept {sweeps}") for name, maker in EVERYTHING.items()}
            if sweeps:
                bench.sweep()
            told.append({name: type(bench.forget(each.id, each.fence)) for name, each in grants.items()})
        unswept, swept = told
        assert swept == unswept

    def test_s7_of_a_late_answer_and_a_forgetting_at_once_none_is_left_and_neither_is_lost(self, bench: Bench) -> None:
        """The answer may be settled first and then be forgotten; after the forgetting it is refused."""
        for number in range(20):
            grant = LIVING["unknown"](bench, f"{number}")

            async def both() -> tuple[Settled | Moved, Forgotten | Moved | Busy]:
                answering = bench.store.settle(grant, Complete(ANSWER))  # noqa: B023 - awaited in this round
                forgetting = bench.store.forget(grant.id, grant.fence)  # noqa: B023
                if number % 2:  # noqa: B023
                    forgotten, settled = await asyncio.gather(forgetting, answering)
                else:
                    settled, forgotten = await asyncio.gather(answering, forgetting)
                return settled, forgotten

            settled, forgotten = bench.run(both())
            assert isinstance(settled, Settled | Moved)
            assert isinstance(forgotten, Forgotten)
            assert isinstance(bench.look(grant.id), Expired)
            assert bench.claim(claim(f"{number}")) == KeyExpired()

    def test_s7_forty_who_forget_one_record_at_once_all_hear_it(self, bench: Bench) -> None:
        grant = bench.completed(claim("k"), ANSWER)

        async def together() -> list[Forgotten | Moved | Busy]:
            return await asyncio.gather(*(bench.store.forget(grant.id, grant.fence) for _ in range(40)))

        assert {type(told) for told in bench.run(together())} == {Forgotten}
        assert isinstance(bench.look(grant.id), Expired)

    def test_s7_no_claim_after_a_forgetting_was_heard_is_given_the_answer_round_after_round(self, bench: Bench) -> None:
        for number in range(40):
            key = f"{number}"
            grant = bench.completed(claim(key), ANSWER)

            async def at_once() -> list[tuple[bool, object]]:
                heard = False

                async def forget() -> None:
                    nonlocal heard
                    told = await bench.store.forget(grant.id, grant.fence)  # noqa: B023 - awaited in this round
                    heard = isinstance(told, Forgotten)

                async def retry() -> list[tuple[bool, object]]:
                    verdicts: list[tuple[bool, object]] = []
                    while not any(since for since, _ in verdicts):
                        await asyncio.sleep(0)
                        since = heard
                        verdicts.append((since, await bench.store.claim(claim(key))))  # noqa: B023
                    return verdicts

                *retried, _ = await asyncio.gather(*(retry() for _ in range(4)), forget())
                return [verdict for each in retried if each for verdict in each]

            verdicts = bench.run(at_once())
            assert {type(verdict) for since, verdict in verdicts if since} == {KeyExpired}
            assert {type(verdict) for since, verdict in verdicts if not since} <= {Replay, KeyExpired}

    def test_s7_of_a_forgetting_and_claims_that_may_take_over_one_wins(self, bench: Bench) -> None:
        grant = LIVING["unknown"](bench, "k")

        async def at_once() -> tuple[object, ...]:
            claims = (bench.store.claim(claim("k", takeover=400)) for _ in range(10))
            return tuple(await asyncio.gather(bench.store.forget(grant.id, grant.fence), *claims))

        told, *verdicts = bench.run(at_once())
        granted = sum(isinstance(verdict, Granted) for verdict in verdicts)
        assert (type(told), granted) in {(Forgotten, 0), (Moved, 1)}
