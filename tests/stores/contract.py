"""The laws that every store sits: one class, nothing in it knows which store it is.

Numbers are those of ``gateway.protocol.claims``; S numbers are those of ``gateway.ports.Store``.
"""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.errors import StoreUnavailable, StoreUnfit
from gateway.ports import SweepCounts
from gateway.protocol.claims import RESPONSE_TIMEOUT
from gateway.protocol.model import (
    AnswerNotKept,
    BodyForm,
    Busy,
    CallerChanged,
    Complete,
    Completed,
    Expired,
    Granted,
    InFlight,
    KeyExpired,
    MarkUnknown,
    Mismatch,
    Moved,
    Origin,
    Recipe,
    Release,
    Released,
    Replay,
    Settled,
    StoredResponse,
    Undecided,
    Unknown,
    Verdict,
)
from tests.stores.backends import Bench
from tests.stores.forgetting import ForgettingContract
from tests.stores.requests import ANSWER, LEASE, NOT_KEPT, RETENTION, claim, owner, record_id
from tests.stores.rotation import RotationContract
from tests.stores.zoo import EVERYTHING, FREE, LIVING

SECOND = timedelta(seconds=1)
OTHER_ANSWER = replace(ANSWER, body=b"another charge")


class StoreContract(ForgettingContract, RotationContract):
    """Subclasses bring the fixture ``bench``."""

    # Law 1

    def test_law_1_of_forty_claimants_exactly_one_is_granted_round_after_round(self, bench: Bench) -> None:
        for number in range(40):
            verdicts = bench.claim_at_once([claim(f"key {number}") for _ in range(40)])
            assert sum(isinstance(verdict, Granted) for verdict in verdicts) == 1
            assert sum(isinstance(verdict, Busy) for verdict in verdicts) == 39

    def test_law_1_of_forty_claimants_of_a_released_key_exactly_one_is_granted(self, bench: Bench) -> None:
        bench.settle(bench.granted(claim("k")), Release())
        verdicts = bench.claim_at_once([claim("k") for _ in range(40)])
        assert [verdict.grant.fence for verdict in verdicts if isinstance(verdict, Granted)] == [2]

    def test_law_1_of_forty_claimants_who_may_take_over_exactly_one_is_granted(self, bench: Bench) -> None:
        bench.settle(bench.granted(claim("k")), MarkUnknown("reset"))
        verdicts = bench.claim_at_once([claim("k", takeover=400) for _ in range(40)])
        assert [verdict.grant.fence for verdict in verdicts if isinstance(verdict, Granted)] == [2]

    def test_law_1_a_claim_repeated_by_its_owner_is_the_same_claim(self, bench: Bench) -> None:
        once = claim("k")
        first, second, third = bench.claim(once), *bench.claim_at_once([once, once])
        assert first == second == third
        assert isinstance(first, Granted)
        assert isinstance(bench.claim(claim("k")), Busy)

    def test_law_1_a_repeated_claim_does_not_prolong_its_lease(self, bench: Bench) -> None:
        once = claim("k")
        bench.granted(once)
        before = bench.look(once.id)
        bench.granted(once)
        assert bench.look(once.id) == before

    def test_law_1_a_claim_repeated_after_its_lease_is_not_granted_again(self, bench: Bench) -> None:
        once = claim("k")
        bench.granted(once)
        bench.age(once.id, 60)
        assert isinstance(bench.claim(once), Undecided)

    def test_law_1_claims_of_one_key_that_differ_are_judged_against_the_one_that_is_granted(self, bench: Bench) -> None:
        one, other, stranger = claim("k"), claim("k", body=b"other"), claim("k", caller=b"mallory")
        verdicts = bench.claim_at_once([one, other, stranger, claim("k")])
        assert [type(verdict) for verdict in verdicts] == [Granted, Mismatch, CallerChanged, Busy]

    # Law W1

    @pytest.mark.parametrize("settlement", [Complete(ANSWER), Release(), MarkUnknown("reset")])
    def test_w1_who_waits_for_a_record_hears_that_it_was_settled(
        self, bench: Bench, settlement: Complete | Release | MarkUnknown
    ) -> None:
        grant = bench.granted(claim("k"))

        async def waited() -> Verdict:
            watch = await bench.store.watch(grant.id)
            assert isinstance(await bench.store.claim(claim("k")), Busy)
            settled = asyncio.create_task(bench.store.settle(grant, settlement))
            verdict: Verdict = Busy(SECOND, SECOND)
            async with asyncio.timeout(10):
                while isinstance(verdict, Busy):
                    await watch.changed(10)
                    verdict = await bench.store.claim(claim("k"))
            watch.close()
            await settled
            return verdict

        heard = {Complete: Replay, Release: Granted, MarkUnknown: Undecided}[type(settlement)]
        assert isinstance(bench.run(waited()), heard)

    def test_w1_a_watch_ends_at_its_time_or_when_it_is_closed_and_never_fails(self, bench: Bench) -> None:
        async def ended() -> None:
            watch = await bench.store.watch(record_id("nobody's"))
            await watch.changed(0.01)
            watch.close()
            watch.close()
            await watch.changed(3600)

        bench.run(ended())
        bench.backend.sever()
        bench.run(ended())

    # Law 2

    def test_law_2_the_fence_grows_with_every_grant_after_a_release(self, bench: Bench) -> None:
        fences: list[int] = []
        for _ in range(5):
            grant = bench.granted(claim("k"))
            fences.append(grant.fence)
            bench.settle(grant, Release())
        assert fences == [1, 2, 3, 4, 5]

    def test_law_2_the_fence_grows_over_a_record_that_only_time_has_forgotten(self, bench: Bench) -> None:
        grant = bench.completed(claim("k"), ANSWER)
        bench.age(grant.id, 1200)
        assert bench.look(grant.id) is None
        assert bench.granted(claim("k", body=b"new", caller=b"bob")).fence == 2

    def test_law_2_a_grant_over_a_forgotten_record_keeps_nothing_of_it(self, bench: Bench) -> None:
        bench.age(bench.completed(claim("k"), ANSWER).id, 1200)
        again = claim("k", body=b"new")
        bench.granted(again)
        record = bench.look(again.id)
        assert isinstance(record, InFlight)
        assert (record.identity, record.taken_over) == (again.identity, False)
        assert record.created_at == record.first_sent_at == record.lease_until - LEASE

    @pytest.mark.parametrize("settlement", [Complete(OTHER_ANSWER), Release(), MarkUnknown("late")])
    def test_law_2_a_stale_fence_settles_nothing(
        self, bench: Bench, settlement: Complete | Release | MarkUnknown
    ) -> None:
        stale = bench.granted(claim("k"))
        bench.settle(stale, Release())
        bench.granted(claim("k"))
        before = bench.look(stale.id)
        assert bench.settle(stale, settlement) == Moved()
        assert bench.look(stale.id) == before

    @pytest.mark.parametrize("settlement", [Complete(OTHER_ANSWER), Release(), MarkUnknown("late")])
    def test_law_2_another_owner_settles_nothing(
        self, bench: Bench, settlement: Complete | Release | MarkUnknown
    ) -> None:
        grant = bench.granted(claim("k"))
        before = bench.look(grant.id)
        assert bench.settle(replace(grant, owner=owner()), settlement) == Moved()
        assert bench.look(grant.id) == before

    def test_law_2_nobody_settles_what_was_never_claimed(self, bench: Bench) -> None:
        grant = replace(bench.granted(claim("k")), id=record_id("never"))
        assert bench.settle(grant, Complete(ANSWER)) == Moved()
        assert bench.look(record_id("never")) is None

    # Law 3

    def test_law_3_a_lease_that_is_over_is_unknown_and_grants_nobody(self, bench: Bench) -> None:
        grant = bench.granted(claim("k"))
        bench.age(grant.id, 51)
        verdict, record = bench.claim(claim("k")), bench.look(grant.id)
        assert isinstance(record, Unknown)
        assert verdict == Undecided(since=record.since)
        assert record.reason == "lease-over"

    def test_law_3_an_unknown_tells_how_long_its_call_may_still_run_where_its_caller_did_not_wait(
        self, bench: Bench
    ) -> None:
        grant = bench.granted(claim("k"))
        bench.settle(grant, MarkUnknown(RESPONSE_TIMEOUT))
        bench.age(grant.id, 20)
        verdict = bench.claim(claim("k"))
        assert isinstance(verdict, Undecided)
        assert verdict.running is not None
        assert timedelta(seconds=20) <= verdict.running.age < timedelta(seconds=30)
        assert verdict.running.age + verdict.running.rest == LEASE

    def test_law_3_a_claim_tells_how_long_the_call_in_flight_has_run_and_may_run(self, bench: Bench) -> None:
        bench.age(bench.granted(claim("k")).id, 20)
        verdict = bench.claim(claim("k"))
        assert isinstance(verdict, Busy)
        assert timedelta(seconds=20) <= verdict.age < timedelta(seconds=30)
        assert verdict.age + verdict.rest == LEASE

    # Law 4

    @pytest.mark.parametrize("seconds", [51, 540])
    def test_law_4_a_late_answer_settles_a_call_whose_lease_is_over(self, bench: Bench, seconds: float) -> None:
        grant = bench.granted(claim("k"))
        bench.age(grant.id, seconds)
        settled = bench.settle(grant, Complete(ANSWER))
        assert isinstance(settled, Settled)
        assert settled.replay_until is not None
        assert bench.claim(claim("k")) == Replay(ANSWER, settled.replay_until)

    def test_law_4_a_late_answer_settles_a_call_that_was_marked_unknown(self, bench: Bench) -> None:
        grant = bench.granted(claim("k"))
        bench.settle(grant, MarkUnknown("timeout"))
        assert isinstance(bench.claim(claim("k")), Undecided)
        assert isinstance(bench.settle(grant, Complete(ANSWER)), Settled)
        assert isinstance(bench.claim(claim("k")), Replay)

    def test_law_4_an_answer_that_comes_after_the_tombstone_is_refused(self, bench: Bench) -> None:
        grant = bench.granted(claim("k"))
        bench.age(grant.id, 560)
        assert bench.settle(grant, Complete(ANSWER)) == Moved()
        assert isinstance(bench.claim(claim("k")), KeyExpired)

    def test_law_4_an_answer_of_the_first_attempt_is_refused_once_another_took_over(self, bench: Bench) -> None:
        first = bench.granted(claim("k"))
        bench.settle(first, MarkUnknown("timeout"))
        second = bench.granted(claim("k", takeover=400))
        assert bench.settle(first, Complete(OTHER_ANSWER)) == Moved()
        assert isinstance(bench.settle(second, Complete(ANSWER)), Settled)

    # Law 5

    def test_law_5_a_released_key_is_free_for_any_request_and_remembers_none(self, bench: Bench) -> None:
        grant = bench.granted(claim("k"))
        assert bench.settle(grant, Release()) == Settled()
        assert isinstance(bench.look(grant.id), Released)
        assert bench.granted(claim("k", body=b"other", caller=b"bob")).fence == 2

    def test_law_5_an_unknown_key_can_be_released_by_its_newest_grant(self, bench: Bench) -> None:
        grant = bench.granted(claim("k"))
        bench.settle(grant, MarkUnknown("timeout"))
        assert bench.settle(grant, Release()) == Settled()
        assert isinstance(bench.look(grant.id), Released)

    def test_law_5_release_of_a_taken_over_grant_leads_back_to_unknown(self, bench: Bench) -> None:
        first = bench.granted(claim("k"))
        bench.settle(first, MarkUnknown("timeout"))
        sent = bench.look(first.id)
        second = bench.granted(claim("k", takeover=400))
        assert second.taken_over
        assert bench.settle(second, Release()) == Settled()
        record = bench.look(first.id)
        assert isinstance(record, Unknown)
        assert isinstance(sent, Unknown)
        assert (record.reason, record.taken_over, record.fence) == ("takeover-not-executed", True, 2)
        assert record.first_sent_at == sent.first_sent_at

    def test_law_5_release_of_a_taken_over_grant_whose_lease_is_over_leaves_it_unknown(self, bench: Bench) -> None:
        bench.settle(bench.granted(claim("k")), MarkUnknown("timeout"))
        second = bench.granted(claim("k", takeover=400))
        bench.age(second.id, 60)
        before = bench.look(second.id)
        assert bench.settle(second, Release()) == Settled()
        assert bench.look(second.id) == before

    def test_law_5_a_completed_call_cannot_be_released(self, bench: Bench) -> None:
        grant = bench.completed(claim("k"), ANSWER)
        assert bench.settle(grant, Release()) == Moved()
        assert isinstance(bench.claim(claim("k")), Replay)

    # Takeover

    def test_takeover_is_granted_within_its_time_from_the_first_sending_and_not_after(self, bench: Bench) -> None:
        grant = bench.granted(claim("k"))
        bench.settle(grant, MarkUnknown("timeout"))
        bench.age(grant.id, 300)
        assert isinstance(bench.claim(claim("k", takeover=290)), Undecided)
        assert isinstance(bench.claim(claim("k", takeover=None)), Undecided)
        assert bench.granted(claim("k", takeover=310)).fence == 2

    def test_takeover_is_counted_from_the_first_sending_however_often_it_is_repeated(self, bench: Bench) -> None:
        grant = bench.granted(claim("k", takeover=100))
        bench.settle(grant, MarkUnknown("timeout"))
        bench.age(grant.id, 60)
        second = bench.granted(claim("k", takeover=100))
        bench.settle(second, MarkUnknown("timeout"))
        bench.age(grant.id, 60)
        assert isinstance(bench.claim(claim("k", takeover=100)), Undecided)

    def test_takeover_of_a_call_in_flight_waits_for_the_end_of_its_lease(self, bench: Bench) -> None:
        grant = bench.granted(claim("k"))
        assert isinstance(bench.claim(claim("k", takeover=400)), Busy)
        bench.age(grant.id, 60)
        assert bench.granted(claim("k", takeover=400)).taken_over

    def test_takeover_is_for_the_same_request_only(self, bench: Bench) -> None:
        bench.settle(bench.granted(claim("k")), MarkUnknown("timeout"))
        assert isinstance(bench.claim(claim("k", takeover=400, body=b"other")), Mismatch)

    # Law 6

    def test_law_6_completed_never_changes(self, bench: Bench) -> None:
        grant = bench.completed(claim("k"), ANSWER)
        before = bench.look(grant.id)
        assert isinstance(before, Completed)
        assert bench.settle(grant, Complete(OTHER_ANSWER)) == Settled(before.replay_until)
        assert bench.settle(grant, MarkUnknown("late")) == Moved()
        assert bench.look(grant.id) == before

    # Laws 7 and 10

    @pytest.mark.parametrize("name", [name for name in LIVING if name not in FREE])
    def test_law_7_another_request_or_caller_hears_nothing_else_in_any_state(self, bench: Bench, name: str) -> None:
        grant = LIVING[name](bench, name)
        before = bench.look(grant.id)
        assert bench.claim(claim(name, body=b"other", takeover=10_000)) == Mismatch()
        assert bench.claim(claim(name, caller=b"bob", takeover=10_000)) == CallerChanged()
        assert bench.claim(claim(name, caller=b"bob", body=b"other", takeover=10_000)) == CallerChanged()
        assert bench.look(grant.id) == before

    def test_law_10_a_retry_is_judged_by_the_recipe_of_the_record_not_by_its_own(self, bench: Bench) -> None:
        recipe = Recipe(BodyForm.JSON, exclude=("/a~1b", "/ü"), headers=(), scope=("x-api-key",), algorithm=1)
        bench.completed(claim("k", body=b'{"a/b": 1, "c": 2}', recipe=recipe), ANSWER)
        assert isinstance(bench.claim(claim("k", body=b'{"c":2,"a/b":9}', caller=b"bob")), Replay)
        assert bench.claim(claim("k", body=b'{"c": 3}')) == Mismatch()

    # Law 9

    def test_law_9_deadlines_are_fixed_when_a_record_is_settled(self, bench: Bench) -> None:
        grant = bench.completed(claim("k"), ANSWER)
        record = bench.look(grant.id)
        assert isinstance(record, Completed)
        assert record.forget_at - record.replay_until == RETENTION.key
        later = replace(RETENTION, response=timedelta(days=9), key=timedelta(days=9), unknown=timedelta(days=9))
        assert isinstance(bench.claim(claim("k", retention=later)), Replay)
        bench.settle(replace(grant, retention=later), Complete(ANSWER))
        assert bench.look(grant.id) == record

    def test_law_9_an_answer_past_its_replay_is_a_tombstone_and_then_forgotten(self, bench: Bench) -> None:
        grant = bench.completed(claim("k"), ANSWER)
        bench.age(grant.id, 101)
        assert isinstance(bench.look(grant.id), Expired)
        assert bench.claim(claim("k")) == KeyExpired()
        bench.age(grant.id, 1000)
        assert bench.look(grant.id) is None

    def test_law_9_an_unknown_becomes_a_tombstone_before_it_is_forgotten(self, bench: Bench) -> None:
        grant = bench.granted(claim("k"))
        bench.age(grant.id, 50 + 501)
        assert bench.sweep() == SweepCounts(lapsed=1, unknown_expired=1)
        assert bench.claim(claim("k")) == KeyExpired()
        bench.age(grant.id, 1000)
        assert bench.sweep() == SweepCounts(forgotten=1)
        assert bench.granted(claim("k")).taken_over is False

    # S2: byte for byte

    @pytest.mark.parametrize(
        "answer",
        [
            StoredResponse(200, (), b""),
            StoredResponse(299, tuple((bytes([i]), bytes(range(256))) for i in range(256)), bytes(range(256))),
            StoredResponse(200, ((b"", b""), (b"A", b"x"), (b"a", b"x"), (b"A", b"x")), b"\r\n\x00"),
            StoredResponse(504, ((b"Content-Type", b"application/problem+json"),), b"{}", Origin.GATEWAY),
            StoredResponse(200, (), b"perhaps cut", length_unverified=True),
            StoredResponse(200, ((b"X-Long", b"v" * 70_000),), bytes(range(256)) * 4 * 1024 * 5),
        ],
        ids=["empty", "all bytes", "repeated fields", "made here", "unverified", "5 MiB"],
    )
    def test_s2_an_answer_is_replayed_byte_for_byte(self, bench: Bench, answer: StoredResponse) -> None:
        bench.completed(claim("k"), answer)
        verdict = bench.claim(claim("k"))
        assert isinstance(verdict, Replay)
        assert verdict.response == answer

    def test_s2_an_answer_that_was_not_kept_tells_its_status(self, bench: Bench) -> None:
        bench.completed(claim("k"), NOT_KEPT)
        assert bench.claim(claim("k")) == AnswerNotKept(202)

    # S3 and S5

    def test_s3_settlements_repeated_are_harmless(self, bench: Bench) -> None:
        completed, released, unknown = (bench.granted(claim(key)) for key in ("c", "r", "u"))
        for grant, settlement in (
            (completed, Complete(ANSWER)),
            (released, Release()),
            (unknown, MarkUnknown("reset")),
        ):
            first, record = bench.settle(grant, settlement), bench.look(grant.id)
            assert bench.settle(grant, settlement) == first
            assert bench.look(grant.id) == record

    def test_s3_a_claim_and_its_settlement_may_travel_beside_those_of_other_keys(self, bench: Bench) -> None:
        claimed = bench.claim_at_once([claim(f"{n}") for n in range(20)])
        granted = [verdict for verdict in claimed if isinstance(verdict, Granted)]

        async def everything_at_once() -> None:
            await asyncio.gather(*(bench.store.settle(verdict.grant, Complete(ANSWER)) for verdict in granted))

        bench.run(everything_at_once())
        verdicts = bench.claim_at_once([claim(f"{n}") for n in range(20)])
        assert all(isinstance(verdict, Replay) for verdict in verdicts)

    def test_s3_of_many_settlements_at_once_each_is_ruled_by_itself(self, bench: Bench) -> None:
        grants = [bench.granted(claim(f"{n}")) for n in range(8)]
        bench.settle(grants[0], Release())
        bench.completed(claim("other"), OTHER_ANSWER)

        async def everything_at_once() -> list[Settled | Moved]:
            stale = replace(grants[1], owner=owner())
            completions = [bench.store.settle(grant, Complete(ANSWER)) for grant in (*grants, stale, grants[2])]
            return await asyncio.gather(*completions, bench.store.settle(grants[0], Release()))

        answers = bench.run(everything_at_once())
        assert [type(answer) for answer in answers] == [Moved, *[Settled] * 7, Moved, Settled, Settled]
        for grant, answer in zip(grants[1:], answers[1:8], strict=True):
            record = bench.look(grant.id)
            assert isinstance(record, Completed)
            assert answer == Settled(record.replay_until)

    # S4

    def test_s4_a_store_that_is_cut_off_grants_nothing_and_claims_no_absence(self, bench: Bench) -> None:
        grant = bench.granted(claim("k"))
        bench.backend.sever()
        store = bench.store
        for asked in (
            store.claim(claim("k")),
            store.claim(claim("new")),
            store.settle(grant, Complete(ANSWER)),
            store.look(grant.id),
            store.sweep(10),
            store.count(),
            store.ping(),
            store.remember_key_space("n", "s", accept_change=True),
        ):
            with pytest.raises(StoreUnavailable):
                bench.run(asked)

    # S6

    def test_s6_a_sweep_changes_no_record_as_time_has_turned_it(self, bench: Bench) -> None:
        grants = {name: maker(bench, name) for name, maker in EVERYTHING.items()}
        before = {name: bench.look(grant.id) for name, grant in grants.items()}
        assert bench.sweep().total > 0
        assert {name: bench.look(grant.id) for name, grant in grants.items()} == before

    @pytest.mark.parametrize("takeover", [None, 400])
    def test_s6_a_sweep_changes_no_verdict(self, bench: Bench, takeover: float | None) -> None:
        verdicts: list[dict[str, object]] = []
        for sweeps in (False, True):
            keys = {name: f"{name}, swept {sweeps}" for name in EVERYTHING}
            for name, maker in EVERYTHING.items():
                maker(bench, keys[name])
            if sweeps:
                bench.sweep()
            verdicts.append({name: _gist(bench.claim(claim(key, takeover=takeover))) for name, key in keys.items()})
        unswept, swept = verdicts
        assert swept == unswept

    @pytest.mark.parametrize("settlement", [Complete(ANSWER), Release(), MarkUnknown("late")])
    def test_s6_a_sweep_changes_no_settlement(self, bench: Bench, settlement: Complete | Release | MarkUnknown) -> None:
        answers: list[dict[str, str]] = []
        for sweeps in (False, True):
            grants = {name: maker(bench, f"{name}, swept {sweeps}") for name, maker in EVERYTHING.items()}
            if sweeps:
                bench.sweep()
            answers.append({name: type(bench.settle(grant, settlement)).__name__ for name, grant in grants.items()})
        unswept, swept = answers
        assert swept == unswept

    def test_s6_a_sweep_purges_only_what_is_settled_and_past_its_time(self, bench: Bench) -> None:
        for name, maker in EVERYTHING.items():
            maker(bench, name)
        before = bench.run(bench.store.count())
        assert bench.sweep() == SweepCounts(lapsed=5, unknown_expired=5, answers_expired=3, forgotten=5)
        assert bench.run(bench.store.count()) == before
        assert sum(before.values()) == len(LIVING)
        assert bench.sweep() == SweepCounts()

    def test_s6_a_sweep_does_at_most_what_it_was_asked(self, bench: Bench) -> None:
        for number in range(5):
            bench.age(bench.granted(claim(f"{number}")).id, 60)
        assert [bench.sweep(2).lapsed for _ in range(4)] == [2, 2, 1, 0]

    def test_records_are_counted_by_the_state_that_time_has_given_them(self, bench: Bench) -> None:
        for name, maker in EVERYTHING.items():
            maker(bench, name)
        assert dict(bench.run(bench.store.count())) == {
            "in-flight": 3,
            "completed": 4,
            "unknown": 6,
            "released": 2,
            "expired": 8,
        }

    # Facts

    def test_the_digest_key_is_made_once_and_kept(self, bench: Bench) -> None:
        kept = bench.run(bench.store.digest_keys([None]))
        assert len(kept.key) == 32
        assert bench.run(bench.store.digest_keys([None])) == kept
        assert bench.run(bench.store.digest_keys([kept.key])) == kept

    def test_another_digest_key_takes_over_where_the_change_is_accepted(self, bench: Bench) -> None:
        kept = bench.run(bench.store.digest_keys([None]))
        assert bench.run(bench.store.digest_keys([None], accept_change=True)) == kept, "nothing to change"
        assert bench.run(bench.store.digest_keys([b"another secret"], accept_change=True)).key == b"another secret"
        assert bench.run(bench.store.digest_keys([b"another secret"])).key == b"another secret"
        with pytest.raises(StoreUnfit):
            bench.run(bench.store.digest_keys([None]))

    def test_another_digest_key_than_the_one_kept_is_refused(self, bench: Bench) -> None:
        with pytest.raises(StoreUnfit):
            bench.run(bench.store.digest_keys([b"another secret"]))

    def test_a_changed_key_space_is_told_and_remembered_only_when_accepted(self, bench: Bench) -> None:
        def remember(settings: str, *, accept: bool = False) -> str | None:
            return bench.run(bench.store.remember_key_space("stripe", settings, accept_change=accept))

        assert remember("one") is None
        assert remember("one") is None
        assert remember("two") == "one"
        assert remember("two") == "one"
        assert remember("two", accept=True) is None
        assert remember("one") == "two"
        assert bench.run(bench.store.remember_key_space("other", "three", accept_change=False)) is None

    def test_ping_returns_while_the_store_can_grant(self, bench: Bench) -> None:
        before = bench.run(bench.store.count())
        bench.run(bench.store.ping())
        bench.run(bench.store.ping())
        assert bench.run(bench.store.count()) == before, "it leaves nothing behind"


def _gist(verdict: Verdict) -> object:
    """What of a verdict may be compared between two keys: everything but instants, which differ by milliseconds."""
    match verdict:
        case Granted(grant):
            return "granted", grant.taken_over
        case Replay(response):
            return response
        case AnswerNotKept():
            return verdict
        case _:
            return type(verdict).__name__
