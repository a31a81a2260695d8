"""The law of one record, walked State x Event against a literal table, and each of its numbered laws."""

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.protocol.claims import RESPONSE_TIMEOUT, Ruling, as_of, forget, granted, judge, settle
from gateway.protocol.model import (
    AnswerNotKept,
    Busy,
    CallerChanged,
    Complete,
    Completed,
    Expired,
    Forgotten,
    Grant,
    Granted,
    InFlight,
    KeyExpired,
    MarkUnknown,
    Mismatch,
    Moved,
    NotKept,
    Recipe,
    Record,
    Release,
    Released,
    Replay,
    Settled,
    Settlement,
    Undecided,
    Unknown,
)
from tests.protocol.samples import (
    ANSWER,
    ID,
    IDENTITY,
    NOW,
    OTHER_CALLER,
    OTHER_OWNER,
    OTHER_REQUEST,
    OWNER,
    SECOND,
    claim,
    completed,
    every_state,
    expired,
    grant,
    in_flight,
    released,
    unknown,
)

# state, event -> what is heard, and the state after it.
TABLE = {
    ("none", "claim"): ("granted", "in flight"),
    ("in flight", "claim"): ("busy", "in flight"),
    ("completed", "claim"): ("replay", "completed"),
    ("unknown", "claim"): ("undecided", "unknown"),
    ("released", "claim"): ("granted", "in flight"),
    ("expired", "claim"): ("key expired", "expired"),
    ("none", "claim, policy retry"): ("granted", "in flight"),
    ("in flight", "claim, policy retry"): ("busy", "in flight"),
    ("completed", "claim, policy retry"): ("replay", "completed"),
    ("unknown", "claim, policy retry"): ("granted", "in flight"),
    ("released", "claim, policy retry"): ("granted", "in flight"),
    ("expired", "claim, policy retry"): ("key expired", "expired"),
    ("none", "complete"): ("moved", "none"),
    ("in flight", "complete"): ("settled", "completed"),
    ("completed", "complete"): ("settled", "completed"),
    ("unknown", "complete"): ("settled", "completed"),
    ("released", "complete"): ("moved", "released"),
    ("expired", "complete"): ("moved", "expired"),
    ("none", "release"): ("moved", "none"),
    ("in flight", "release"): ("settled", "released"),
    ("completed", "release"): ("moved", "completed"),
    ("unknown", "release"): ("settled", "released"),
    ("released", "release"): ("settled", "released"),
    ("expired", "release"): ("moved", "expired"),
    ("none", "mark unknown"): ("moved", "none"),
    ("in flight", "mark unknown"): ("settled", "unknown"),
    ("completed", "mark unknown"): ("moved", "completed"),
    ("unknown", "mark unknown"): ("settled", "unknown"),
    ("released", "mark unknown"): ("moved", "released"),
    ("expired", "mark unknown"): ("moved", "expired"),
    ("none", "its time is over"): ("", "none"),
    ("in flight", "its time is over"): ("", "unknown"),
    ("completed", "its time is over"): ("", "expired"),
    ("unknown", "its time is over"): ("", "expired"),
    ("released", "its time is over"): ("", "none"),
    ("expired", "its time is over"): ("", "none"),
    ("none", "forget"): ("moved", "none"),
    ("in flight", "forget"): ("busy", "in flight"),
    ("completed", "forget"): ("forgotten", "expired"),
    ("unknown", "forget"): ("forgotten", "expired"),
    ("released", "forget"): ("forgotten", "released"),
    ("expired", "forget"): ("forgotten", "expired"),
}

NAMES: dict[type, str] = {
    InFlight: "in flight",
    Completed: "completed",
    Unknown: "unknown",
    Released: "released",
    Expired: "expired",
    type(None): "none",
    Granted: "granted",
    Busy: "busy",
    Replay: "replay",
    Undecided: "undecided",
    KeyExpired: "key expired",
    Settled: "settled",
    Moved: "moved",
    Forgotten: "forgotten",
}

SETTLEMENTS: dict[str, Settlement] = {
    "complete": Complete(ANSWER),
    "release": Release(),
    "mark unknown": MarkUnknown("timeout"),
}
TIMES = {"in flight": 99, "completed": 100, "unknown": 500, "released": 1000, "expired": 1000, "none": 0}


def perform(state: str, event: str) -> tuple[str, str]:
    record = every_state()[state]
    if event in SETTLEMENTS:
        ruling = settle(record, grant(), SETTLEMENTS[event], NOW)
        return NAMES[type(ruling.answer)], NAMES[type(ruling.record)]
    if event == "forget":
        word = forget(record, 1, NOW)
        return NAMES[type(word.answer)], NAMES[type(word.record)]
    if event == "its time is over":
        return "", NAMES[type(as_of(record, NOW + TIMES[state] * SECOND))]
    asked = claim(takeover=timedelta(hours=1) if "retry" in event else None)
    verdict = judge(record, asked, NOW)
    after: Record | None = record
    if isinstance(verdict, Granted):
        after = granted(record, asked, verdict.grant, NOW)
    return NAMES[type(verdict)], NAMES[type(after)]


@pytest.mark.parametrize(("state", "event"), TABLE)
def test_every_state_answers_every_event_as_the_table_says(state: str, event: str) -> None:
    assert perform(state, event) == TABLE[state, event]


def test_the_table_has_every_state_and_every_event() -> None:
    events = {"claim", "claim, policy retry", *SETTLEMENTS, "its time is over", "forget"}
    assert set(TABLE) == {(state, event) for state in every_state() for event in events}


def test_law_1_a_repeated_claim_of_one_owner_is_the_same_claim() -> None:
    verdict = judge(in_flight(), claim(OTHER_REQUEST, owner=OWNER), NOW)
    assert verdict == Granted(grant(1))


@pytest.mark.parametrize("record", [None, released(), expired()])
def test_law_2_every_grant_has_a_larger_fence(record: Released | Expired | None) -> None:
    verdict = judge(record, claim(), NOW + 2000 * SECOND)
    assert isinstance(verdict, Granted)
    assert verdict.grant.fence == (2 if record else 1)


@pytest.mark.parametrize("stale", [grant(0), grant(2), grant(1, OTHER_OWNER)])
@pytest.mark.parametrize("settlement", SETTLEMENTS.values(), ids=SETTLEMENTS)
@pytest.mark.parametrize("state", every_state())
def test_law_2_another_fence_or_owner_changes_nothing(stale: Grant, settlement: Settlement, state: str) -> None:
    record = every_state()[state]
    ruling = settle(record, stale, settlement, NOW)
    assert ruling.answer == Moved()
    assert ruling.record is record


def test_law_3_a_lease_that_is_over_makes_the_outcome_unknown_and_grants_nothing() -> None:
    after = NOW + 99 * SECOND
    turned = as_of(in_flight(), after)
    assert isinstance(turned, Unknown)
    assert turned.since == after
    assert judge(in_flight(), claim(), after) == Undecided(since=after)


def test_an_unknown_tells_of_the_call_that_may_still_be_answered_until_its_time_is_over() -> None:
    running = replace(unknown(), reason=RESPONSE_TIMEOUT)
    assert judge(running, claim(), NOW) == Undecided(NOW, running=Busy(SECOND, 99 * SECOND, OWNER))
    assert judge(running, claim(), NOW + 99 * SECOND) == Undecided(NOW)
    assert judge(unknown(), claim(), NOW) == Undecided(NOW)


def test_law_4_a_late_answer_settles_what_its_lease_had_made_unknown() -> None:
    ruling = settle(in_flight(), grant(), Complete(ANSWER), NOW + 200 * SECOND)
    assert isinstance(ruling.record, Completed)
    assert ruling.record.answer == ANSWER


def test_law_5_a_released_grant_that_was_taken_over_leads_back_to_unknown() -> None:
    ruling = settle(in_flight(taken_over=True), grant(taken_over=True), Release(), NOW)
    assert isinstance(ruling.record, Unknown)
    assert ruling.record.taken_over


def test_law_5_a_released_record_remembers_neither_caller_nor_request() -> None:
    for stranger in (OTHER_REQUEST, OTHER_CALLER):
        assert isinstance(judge(released(), claim(stranger), NOW), Granted)


def test_law_6_completed_never_changes() -> None:
    other = replace(ANSWER, body=b"another")
    ruling = settle(completed(), grant(), Complete(other), NOW)
    assert ruling.record == completed()


@pytest.mark.parametrize("state", ["in flight", "completed", "unknown", "expired"])
def test_law_7_the_caller_and_then_the_request_are_checked_before_anything_else_is_told(state: str) -> None:
    record = every_state()[state]
    both = replace(OTHER_CALLER, fingerprint=OTHER_REQUEST.fingerprint)
    assert judge(record, claim(OTHER_REQUEST), NOW) == Mismatch()
    assert judge(record, claim(OTHER_CALLER), NOW) == CallerChanged()
    assert judge(record, claim(both), NOW) == CallerChanged()
    assert judge(record, claim(OTHER_REQUEST, takeover=timedelta(days=1)), NOW) == Mismatch()


def test_law_9_deadlines_are_fixed_when_a_record_is_settled() -> None:
    ruling = settle(in_flight(), grant(), Complete(ANSWER), NOW)
    assert isinstance(ruling.record, Completed)
    assert ruling.answer == Settled(NOW + 100 * SECOND)
    assert (ruling.record.replay_until, ruling.record.forget_at) == (NOW + 100 * SECOND, NOW + 1100 * SECOND)


def test_law_9_an_unknown_becomes_a_tombstone_before_it_is_forgotten() -> None:
    assert isinstance(as_of(unknown(), NOW + 500 * SECOND), Expired)
    assert isinstance(as_of(unknown(), NOW + 1499 * SECOND), Expired)
    assert as_of(unknown(), NOW + 1500 * SECOND) is None


def test_law_9_a_lease_left_alone_passes_through_unknown_and_tombstone_to_nothing() -> None:
    lapse = NOW + 99 * SECOND
    kinds = [type(as_of(in_flight(), lapse + seconds * SECOND)) for seconds in (-1, 0, 500, 1500)]
    assert kinds == [InFlight, Unknown, Expired, type(None)]


def test_law_10_a_retry_is_judged_by_the_recipe_that_the_record_keeps() -> None:
    changed = claim(replace(IDENTITY, recipe=Recipe(headers=("x-new",)), fingerprint=b"?" * 32))
    same_under_the_old_one = replace(changed, identify=lambda recipe: replace(IDENTITY, recipe=recipe))
    assert judge(completed(), changed, NOW) == Mismatch()
    assert isinstance(judge(completed(), same_under_the_old_one, NOW), Replay)


@pytest.mark.parametrize("record", [completed(), completed(NotKept(201)), unknown(), unknown(taken_over=True)])
def test_law_11_a_forgotten_record_is_the_tombstone_that_time_would_have_made_of_it(
    record: Completed | Unknown,
) -> None:
    ruling = forget(record, 1, NOW)
    assert ruling.answer == Forgotten()
    assert ruling.record == Expired(ID, 1, IDENTITY, record.forget_at)
    assert ruling.record == as_of(record, record.forget_at - SECOND)


def test_law_11_a_call_in_flight_is_not_forgotten_before_its_lease_is_over() -> None:
    assert forget(in_flight(), 1, NOW + 98 * SECOND) == Ruling(Busy(99 * SECOND, SECOND), in_flight())
    ruling = forget(in_flight(), 1, NOW + 99 * SECOND)
    assert ruling.record == Expired(ID, 1, IDENTITY, NOW + (99 + 500 + 1000) * SECOND)


@pytest.mark.parametrize("state", every_state())
@pytest.mark.parametrize("fence", [0, 2])
def test_law_11_whoever_names_another_fence_forgets_nothing(state: str, fence: int) -> None:
    record = every_state()[state]
    ruling = forget(record, fence, NOW)
    assert ruling.answer == Moved()
    assert ruling.record is record


@pytest.mark.parametrize("state", ["completed", "unknown", "released", "expired"])
def test_law_11_forgetting_again_changes_nothing(state: str) -> None:
    once = forget(every_state()[state], 1, NOW)
    assert forget(once.record, 1, NOW + SECOND) == once


@pytest.mark.parametrize("settlement", SETTLEMENTS.values(), ids=SETTLEMENTS)
@pytest.mark.parametrize("record", [completed(), unknown(), unknown(taken_over=True)])
def test_law_11_no_settlement_of_the_grant_brings_back_what_was_forgotten(
    record: Completed | Unknown, settlement: Settlement
) -> None:
    forgotten = forget(record, 1, NOW).record
    assert settle(forgotten, grant(), settlement, NOW) == Ruling(Moved(), forgotten)


def test_law_11_an_answer_whose_replay_is_over_is_still_to_be_erased() -> None:
    """What is stored may hold it until a sweep comes by."""
    after = NOW + 100 * SECOND
    assert forget(completed(), 1, after) == Ruling(Forgotten(), as_of(completed(), after))


def test_law_11_a_forgotten_key_is_known_by_its_request_and_never_taken_over() -> None:
    forgotten = forget(unknown(), 1, NOW).record
    assert judge(forgotten, claim(takeover=timedelta(hours=1)), NOW) == KeyExpired()
    assert judge(forgotten, claim(OTHER_REQUEST), NOW) == Mismatch()
    assert judge(forgotten, claim(OTHER_CALLER), NOW) == CallerChanged()


def test_a_take_over_is_only_granted_while_the_upstream_itself_remembers_the_first_sending() -> None:
    first = unknown().first_sent_at
    asked = claim(takeover=60 * SECOND)
    assert isinstance(judge(unknown(), asked, first + 59 * SECOND), Granted)
    assert isinstance(judge(unknown(), asked, first + 60 * SECOND), Undecided)


def test_a_take_over_keeps_the_moment_of_the_first_sending() -> None:
    asked = claim(takeover=timedelta(hours=1))
    verdict = judge(unknown(), asked, NOW)
    assert isinstance(verdict, Granted)
    assert granted(unknown(), asked, verdict.grant, NOW).first_sent_at == unknown().first_sent_at


def test_an_answer_that_was_not_kept_is_told_by_its_status_alone() -> None:
    assert judge(completed(NotKept(201)), claim(), NOW) == AnswerNotKept(201)


def test_a_busy_record_tells_its_age_and_the_rest_of_its_lease() -> None:
    assert judge(in_flight(), claim(), NOW + SECOND) == Busy(age=2 * SECOND, rest=98 * SECOND)
