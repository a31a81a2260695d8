"""The laws of what people see and decide, and of a reconciler's work, that every store sits.

Laws 12 and 13 are those of ``gateway.protocol.decisions``, R and Q those of ``gateway.registry``.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.protocol.decisions import Decided, Decision
from gateway.protocol.dossier import Dossier, Entry, Event, Query, State
from gateway.protocol.inquiries import Asked, Inquiry
from gateway.protocol.model import (
    Busy,
    Complete,
    Completed,
    Forgotten,
    Grant,
    Granted,
    Holder,
    MarkUnknown,
    Moved,
    RecordId,
    Release,
    Released,
    Replay,
    Settled,
    Settlement,
    Undecided,
)
from gateway.registry import Records
from tests.stores.backends import Bench
from tests.stores.requests import ANSWER, RETENTION, claim, owner, record_id
from tests.stores.zoo import LIVING

SECOND = timedelta(seconds=1)
WORK = timedelta(seconds=30)


def records(bench: Bench) -> Records:
    return bench.store


def decision(grant: Grant, word: Complete | Release, by: bytes | None = None) -> Decision:
    return Decision(grant.id, grant.fence, by or owner(), word, RETENTION, "on-call", "looked it up")


def unknown(bench: Bench, key: str = "k", *, key_id: RecordId | None = None, values: bytes | None = None) -> Grant:
    grant = bench.granted(replace(claim(key), route="api", key_id=key_id, values=values))
    bench.settle(grant, MarkUnknown("reset"))
    return grant


def dossier(bench: Bench, record_id: RecordId) -> Dossier:
    found = bench.run(records(bench).dossier(record_id))
    assert found is not None
    return found


def told(history: Sequence[Event]) -> list[str]:
    return [f"{event.what} {event.fence} by {event.by}: {event.note}".removesuffix(": ") for event in history]


def every_page(bench: Bench, query: Query) -> list[Entry]:
    found: list[Entry] = []
    while True:
        page = bench.run(records(bench).page(query))
        assert len(page.entries) <= query.limit
        found += page.entries
        if page.next is None:
            return found
        query = replace(query, after=page.next)


def held(bench: Bench, holder: Holder) -> int:
    return bench.run(records(bench).held([holder.digest]))


def due(bench: Bench, *routes: str, work: timedelta = WORK, limit: int = 10) -> Sequence[Inquiry]:
    return bench.run(records(bench).due(routes or ("api",), work, limit))


class RegistryContract:
    """Subclasses bring the fixture ``bench``."""

    # Laws 12 and 13

    def test_law_13_an_unknown_that_was_not_executed_is_free_under_a_larger_fence(self, bench: Bench) -> None:
        grant = unknown(bench)
        assert bench.run(records(bench).decide(decision(grant, Release()))) == Decided(2)
        assert isinstance(bench.look(grant.id), Released)
        assert bench.granted(claim("k")).fence == 3

    def test_law_13_the_answer_that_is_given_is_replayed_from_then_on(self, bench: Bench) -> None:
        grant = unknown(bench)
        decided = bench.run(records(bench).decide(decision(grant, Complete(ANSWER))))
        assert isinstance(decided, Decided)
        assert decided.fence == 2
        assert decided.replay_until is not None
        assert bench.claim(claim("k")) == Replay(ANSWER, decided.replay_until)

    @pytest.mark.parametrize("word", [Complete(ANSWER), Release()])
    def test_law_12_a_decision_repeated_by_its_owner_is_the_same_and_by_another_comes_too_late(
        self, bench: Bench, word: Complete | Release
    ) -> None:
        grant = unknown(bench)
        first = decision(grant, word)
        once, again = (bench.run(records(bench).decide(first)) for _ in range(2))
        assert once == again
        assert isinstance(once, Decided)
        assert bench.run(records(bench).decide(decision(grant, word))) == Moved()
        assert bench.run(records(bench).decide(decision(replace(grant, fence=2), word))) == Moved()

    @pytest.mark.parametrize("word", [Complete(ANSWER), Release()])
    def test_law_12_nothing_settles_any_more_by_the_fence_before_the_decision(
        self, bench: Bench, word: Complete | Release
    ) -> None:
        grant = unknown(bench)
        bench.run(records(bench).decide(decision(grant, word)))
        before = bench.look(grant.id)
        for late in (Complete(replace(ANSWER, body=b"late")), Release(), MarkUnknown("late")):
            assert bench.settle(grant, late) == Moved()
        assert bench.look(grant.id) == before

    @pytest.mark.parametrize("name", LIVING)
    def test_law_12_only_an_unknown_is_decided(self, bench: Bench, name: str) -> None:
        grant = LIVING[name](bench, name)
        state, before = dossier(bench, grant.id).entry.state, bench.look(grant.id)
        heard = bench.run(records(bench).decide(decision(grant, Release())))
        expected = {State.UNKNOWN: Decided, State.IN_FLIGHT: Busy}.get(state, Moved)
        assert isinstance(heard, expected)
        assert (bench.look(grant.id) == before) == (expected is not Decided)

    def test_law_12_a_key_that_nobody_knows_and_another_fence_are_not_decided(self, bench: Bench) -> None:
        grant = unknown(bench)
        nobody = replace(grant, id=record_id("nobody's"))
        for other in (nobody, replace(grant, fence=0), replace(grant, fence=2)):
            assert bench.run(records(bench).decide(decision(other, Release()))) == Moved()

    def test_law_12_an_in_flight_call_whose_lease_is_over_can_be_decided(self, bench: Bench) -> None:
        grant = bench.granted(claim("k"))
        bench.age(grant.id, 60)
        assert bench.run(records(bench).decide(decision(grant, Release()))) == Decided(2)

    # R2 and R4

    def test_r2_a_record_is_shown_with_its_state_and_its_deadlines(self, bench: Bench) -> None:
        grant = bench.completed(replace(claim("k"), route="api"), ANSWER)
        shown, stored = dossier(bench, grant.id), bench.look(grant.id)
        assert isinstance(stored, Completed)
        entry = shown.entry
        assert (entry.id, entry.state, entry.route, entry.fence) == (grant.id, State.COMPLETED, "api", 1)
        assert (entry.created_at, entry.until) == (stored.created_at, stored.replay_until)
        assert stored.replay_until - entry.since == RETENTION.response
        assert (shown.status, shown.size) == (201, len(ANSWER.body))
        assert bench.run(records(bench).dossier(record_id("nobody's"))) is None

    def test_r4_a_history_tells_everything_that_happened_and_who_said_so(self, bench: Bench) -> None:
        first = bench.granted(replace(claim("k"), route="api"))
        bench.settle(first, Release())
        second = unknown(bench)
        bench.run(records(bench).decide(decision(second, Complete(ANSWER))))
        bench.run(bench.store.forget(second.id, 3, "lead", "a wrong answer"))
        assert told(dossier(bench, first.id).history) == [
            "granted 1 by gateway",
            "released 1 by gateway",
            "granted 2 by gateway",
            "unknown 2 by gateway: reset",
            "completed 3 by on-call: looked it up",
            "forgotten 3 by lead: a wrong answer",
        ]

    def test_r4_a_history_tells_what_time_did_whether_or_not_a_sweep_came_by(self, bench: Bench) -> None:
        grant = bench.granted(claim("k"))
        bench.age(grant.id, 60)
        expected = ["granted 1 by gateway", "unknown 1 by time: lease-over"]
        assert told(dossier(bench, grant.id).history) == expected
        bench.sweep()
        shown = dossier(bench, grant.id)
        assert told(shown.history) == expected
        assert [event.at for event in shown.history] == sorted(event.at for event in shown.history)
        assert shown.history[-1].at - shown.history[0].at == timedelta(seconds=50)

    def test_r4_an_answer_that_is_forgotten_when_its_time_was_over_leaves_its_history(self, bench: Bench) -> None:
        grant = bench.granted(claim("k"))
        bench.settle(grant, Complete(ANSWER))
        bench.age(grant.id, 101)
        bench.run(bench.store.forget(grant.id, 1, "lead"))
        assert told(dossier(bench, grant.id).history) == [
            "granted 1 by gateway",
            "completed 1 by gateway",
            "expired 1 by time",
            "forgotten 1 by lead",
        ]

    def test_r4_of_a_long_history_the_beginning_and_the_end_are_kept(self, bench: Bench) -> None:
        for _ in range(70):
            bench.settle(bench.granted(claim("k")), Release())
        fences = [event.fence for event in dossier(bench, record_id("k")).history]
        assert len(fences) == 100
        assert (fences[:3], fences[-2:]) == ([1, 1, 2], [70, 70])

    # R3

    def test_r3_pages_show_every_record_once_newest_first(self, bench: Bench) -> None:
        grants = [bench.granted(replace(claim(f"k{number}"), route="api")) for number in range(23)]
        for number, grant in enumerate(grants):
            bench.age(grant.id, number % 7)
        found = every_page(bench, Query(limit=5))
        assert {entry.id for entry in found} == {grant.id for grant in grants}
        assert len(found) == len(grants)
        assert [entry.created_at for entry in found] == sorted((entry.created_at for entry in found), reverse=True)

    def test_r3_a_list_is_filtered_by_state_route_and_age_as_time_has_turned_them(self, bench: Bench) -> None:
        kept = {name: make(bench, name) for name, make in LIVING.items()}
        for state in State:
            found = every_page(bench, Query(state=state, limit=2))
            expected = {grant.id for grant in kept.values() if dossier(bench, grant.id).entry.state is state}
            assert {entry.id for entry in found} == expected, state
        mine = unknown(bench, "mine")
        assert [entry.id for entry in every_page(bench, Query(route="api"))] == [mine.id]
        assert every_page(bench, Query(route="api", state=State.COMPLETED)) == []
        old = unknown(bench, "old")
        bench.age(old.id, 100)
        since = dossier(bench, mine.id).entry.created_at - SECOND
        assert [entry.id for entry in every_page(bench, Query(route="api", created_after=since))] == [mine.id]

    def test_r3_a_key_is_found_by_its_text_for_every_caller_who_used_it(self, bench: Bench) -> None:
        plain = unknown(bench, "shared")
        of_alice = unknown(bench, "alice's", key_id=record_id("separate"))
        of_bob = unknown(bench, "bob's", key_id=record_id("separate"))
        unknown(bench, "another")
        for text, expected in (("shared", {plain.id}), ("separate", {of_alice.id, of_bob.id}), ("nobody's", set())):
            ids = frozenset({record_id(text), record_id("elsewhere")})
            assert {entry.id for entry in every_page(bench, Query(ids=ids, limit=1))} == expected

    def test_open_calls_are_counted_by_route_with_the_age_of_the_oldest(self, bench: Bench) -> None:
        bench.age(unknown(bench, "one").id, 100)
        unknown(bench, "two")
        bench.granted(replace(claim("three"), route="sms"))
        lapsed = bench.granted(replace(claim("four"), route="sms"))
        bench.age(lapsed.id, 60)
        found = {(each.route, each.state): each for each in bench.run(records(bench).open_calls())}
        counts = {place: each.count for place, each in found.items()}
        assert counts == {("api", State.UNKNOWN): 2, ("sms", State.IN_FLIGHT): 1, ("sms", State.UNKNOWN): 1}
        assert timedelta(seconds=99) < found["api", State.UNKNOWN].oldest < timedelta(seconds=160)

    # H1

    def test_h1_keys_are_counted_by_their_holder_in_every_state_until_they_are_purged(self, bench: Bench) -> None:
        shop, bar = Holder("shop", b"s" * 16), Holder("bar", b"b" * 16)
        for number, settlement in enumerate((None, Complete(ANSWER), MarkUnknown("reset"), Release())):
            grant = bench.granted(replace(claim(f"shop's {number}"), holder=shop))
            if settlement is not None:
                bench.settle(grant, settlement)
        bench.granted(replace(claim("bar's"), holder=bar))
        bench.granted(replace(claim("counted nowhere"), holder=Holder("crm")))
        bench.granted(claim("nobody's"))
        assert [held(bench, each) for each in (shop, bar)] == [4, 1]
        assert bench.run(records(bench).held([shop.digest, bar.digest, b"x" * 16])) == 5
        erased = record_id("shop's 1")
        assert isinstance(bench.forget(erased, 1), Forgotten)
        assert held(bench, shop) == 4, "its tombstone is a record"
        bench.age(erased, 1200)
        bench.sweep()
        assert held(bench, shop) == 3

    def test_h1_a_key_is_held_by_whom_it_was_granted_to_last(self, bench: Bench) -> None:
        shop, bar = Holder("shop", b"s" * 16), Holder("bar", b"b" * 16)
        bench.settle(bench.granted(replace(claim("k"), holder=shop)), Release())
        grant = bench.granted(replace(claim("k"), holder=bar))
        assert [held(bench, each) for each in (shop, bar)] == [0, 1]
        bench.settle(grant, Release())
        bench.granted(claim("k"))
        assert held(bench, bar) == 0
        assert dossier(bench, grant.id).entry.caller == ""

    def test_r2_a_record_tells_which_caller_it_is_of_where_one_was_known(self, bench: Bench) -> None:
        settlements: tuple[Settlement, ...] = (Release(), MarkUnknown("reset"), Complete(ANSWER))
        for number, settlement in enumerate(settlements):
            grant = bench.granted(replace(claim(f"k{number}"), holder=Holder("sh\u00f6p")))
            assert dossier(bench, grant.id).entry.caller == "sh\u00f6p"
            bench.settle(grant, settlement)
            assert dossier(bench, grant.id).entry.caller == "sh\u00f6p"
        bench.granted(claim("nobody's"))
        assert sorted(entry.caller for entry in every_page(bench, Query())) == ["", *["sh\u00f6p"] * 3]

    # Q1 to Q4

    def test_q1_of_any_workers_one_alone_has_a_record_until_its_work_is_over(self, bench: Bench) -> None:
        grant = unknown(bench, values=b"what to ask with")
        (inquiry,) = due(bench)
        assert (inquiry.id, inquiry.fence, inquiry.route) == (grant.id, 1, "api")
        assert (inquiry.values, inquiry.asks, inquiry.absent) == (b"what to ask with", 0, 0)
        assert due(bench) == []
        bench.age(grant.id, 40)
        (again,) = due(bench)
        assert again.taken != inquiry.taken
        assert bench.run(records(bench).asked(inquiry, Asked(1, SECOND))) is False, "the work was taken by another"

    def test_q1_only_the_routes_that_are_asked_for_and_only_calls_that_left_values(self, bench: Bench) -> None:
        unknown(bench, "without")
        unknown(bench, "with", values=b"v")
        assert due(bench, "elsewhere") == []
        assert [each.id for each in due(bench, "elsewhere", "api")] == [record_id("with")]

    def test_q1_what_was_due_first_comes_first_and_no_more_than_were_asked_for(self, bench: Bench) -> None:
        for number in range(5):
            bench.age(unknown(bench, f"k{number}", values=b"v").id, 10 * number)
        assert [each.id for each in due(bench, limit=2)] == [record_id("k4"), record_id("k3")]

    def test_q2_what_came_of_an_asking_is_kept_and_the_next_one_comes_when_it_was_told(self, bench: Bench) -> None:
        grant = unknown(bench, values=b"v")
        (inquiry,) = due(bench)
        assert bench.run(records(bench).asked(inquiry, Asked(2, timedelta(seconds=100)))) is True
        heard = bench.claim(claim("k"))
        assert isinstance(heard, Undecided)
        assert heard.asks_in is not None
        assert timedelta(seconds=60) < heard.asks_in <= timedelta(seconds=100)
        assert due(bench) == []
        bench.age(grant.id, 100)
        (later,) = due(bench)
        assert (later.asks, later.absent, later.values) == (1, 2, b"v")
        assert timedelta(seconds=100) <= later.age < timedelta(seconds=160)
        assert (shown := dossier(bench, grant.id).entry).asks == 1
        assert shown.asks_at is not None

    @pytest.mark.parametrize("word", [Complete(ANSWER), Release()])
    def test_q2_an_asking_that_comes_after_a_decision_or_the_truth_changes_nothing(
        self, bench: Bench, word: Complete | Release
    ) -> None:
        decided, settled = unknown(bench, "decided", values=b"v"), unknown(bench, "settled", values=b"v")
        inquiries = due(bench)
        bench.run(records(bench).decide(decision(decided, word)))
        assert isinstance(bench.settle(settled, Complete(ANSWER)), Settled)
        before = [bench.look(grant.id) for grant in (decided, settled)]
        assert [bench.run(records(bench).asked(each, Asked(0, SECOND))) for each in inquiries] == [False, False]
        assert [bench.look(grant.id) for grant in (decided, settled)] == before

    def test_q3_a_call_whose_lease_ran_out_is_due_from_then_on(self, bench: Bench) -> None:
        grant = bench.granted(replace(claim("k"), route="api", values=b"v"))
        assert due(bench) == []
        bench.age(grant.id, 60)
        (inquiry,) = due(bench)
        assert (inquiry.values, inquiry.fence) == (b"v", 1)
        assert timedelta(seconds=10) <= inquiry.age < timedelta(seconds=60)

    def test_q4_another_call_of_a_key_that_was_freed_brings_values_of_its_own(self, bench: Bench) -> None:
        first = unknown(bench, values=b"first")
        bench.run(records(bench).decide(decision(first, Release())))
        assert isinstance(bench.claim(other := replace(claim("k"), route="api", values=b"second")), Granted)
        assert bench.settle(Grant(other.id, 3, other.owner, RETENTION), MarkUnknown("reset")) == Settled()
        (inquiry,) = due(bench)
        assert (inquiry.values, inquiry.fence, inquiry.asks) == (b"second", 3, 0)
