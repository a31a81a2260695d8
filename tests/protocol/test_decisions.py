"""The law of an operator's word, walked over every state against a literal table, and what is shown of a record."""

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.protocol.claims import as_of, granted, judge, settle
from gateway.protocol.decisions import Decided, Decision, decide
from gateway.protocol.dossier import STATES, Event, Happening, shortened, turns, until
from gateway.protocol.model import Busy, Complete, Granted, MarkUnknown, Moved, Release, Undecided, Unknown
from tests.protocol.samples import (
    ANSWER,
    ID,
    NOW,
    OTHER_OWNER,
    RETENTION,
    SECOND,
    claim,
    every_state,
    grant,
    in_flight,
    unknown,
)

# state -> what is heard of a release and of an answer, and the state after each.
TABLE = {
    "none": ("Moved", "none", "Moved", "none"),
    "in flight": ("Busy", "in-flight", "Busy", "in-flight"),
    "completed": ("Moved", "completed", "Moved", "completed"),
    "unknown": ("Decided", "released", "Decided", "completed"),
    "released": ("Moved", "released", "Moved", "released"),
    "expired": ("Moved", "expired", "Moved", "expired"),
}


def decision(word: Complete | Release, fence: int = 1) -> Decision:
    return Decision(ID, fence, OTHER_OWNER, word, RETENTION, "on-call")


@pytest.mark.parametrize("state", TABLE)
def test_every_state_answers_a_decision_as_the_table_says(state: str) -> None:
    heard: list[str] = []
    for word in (Release(), Complete(ANSWER)):
        ruling = decide(every_state()[state], decision(word), NOW)
        heard += [type(ruling.answer).__name__, STATES[type(ruling.record)] if ruling.record else "none"]
    assert tuple(heard) == TABLE[state]


def test_the_table_has_every_state() -> None:
    assert set(TABLE) == set(every_state())


def test_law_12_a_decision_is_judged_by_the_newest_fence_and_makes_a_new_one() -> None:
    for fence in (0, 2):
        assert decide(unknown(), decision(Release(), fence), NOW).answer == Moved()
    first = decide(unknown(), decision(Complete(ANSWER)), NOW)
    assert first.answer == Decided(2, NOW + RETENTION.response)
    again = decide(first.record, decision(Complete(ANSWER)), NOW + SECOND)
    assert (again.answer, again.record) == (first.answer, first.record)
    assert decide(first.record, decision(Release()), NOW).answer == Moved(), "the same owner with another word"
    assert settle(first.record, grant(), Complete(ANSWER), NOW).answer == Moved(), "the first attempt, late"


def test_law_13_a_released_take_over_is_free_for_an_operator_speaks_of_every_attempt() -> None:
    freed = decide(unknown(taken_over=True), decision(Release()), NOW)
    verdict = judge(freed.record, claim(), NOW)
    assert isinstance(verdict, Granted)
    assert (verdict.grant.fence, verdict.grant.taken_over) == (3, False)


def test_a_lease_that_is_over_can_be_decided_and_one_that_is_not_can_not() -> None:
    assert isinstance(decide(in_flight(), decision(Release()), NOW + 99 * SECOND).answer, Decided)
    assert decide(in_flight(), decision(Release()), NOW).answer == Busy(SECOND, 99 * SECOND)


def test_a_call_that_left_values_is_asked_about_from_the_moment_that_nobody_knows() -> None:
    asked = replace(claim(), values=b"v")
    record = granted(None, asked, replace(grant(), owner=asked.owner), NOW)
    marked = settle(record, grant(1, asked.owner), MarkUnknown("reset"), NOW + SECOND).record
    assert isinstance(marked, Unknown)
    assert marked.asks_at == NOW + SECOND
    lapsed = as_of(record, NOW + 100 * SECOND)
    assert isinstance(lapsed, Unknown)
    assert lapsed.asks_at == NOW + 100 * SECOND
    later = replace(marked, asks_at=NOW + 31 * SECOND)
    assert judge(later, asked, NOW + SECOND) == Undecided(NOW + SECOND, 30 * SECOND)
    assert judge(later, asked, NOW + 60 * SECOND) == Undecided(NOW + SECOND, timedelta(0))
    assert judge(unknown(), claim(), NOW) == Undecided(NOW)


@pytest.mark.parametrize("state", every_state())
def test_what_time_does_is_told_as_it_happens_and_not_before(state: str) -> None:
    record = every_state()[state]
    if record is None:
        return
    assert turns(record, until(record) - SECOND) == ()
    events = turns(record, until(record))
    what = {"in flight": Happening.UNKNOWN, "completed": Happening.EXPIRED, "unknown": Happening.EXPIRED}
    assert [event.what for event in events] == ([what[state]] if state in what else [])
    assert all(event.at == until(record) and event.by == "time" for event in events)


def test_a_lease_that_ended_long_ago_is_two_events() -> None:
    ages = [event.at - NOW for event in turns(in_flight(), NOW + 10_000 * SECOND)]
    assert ages == [99 * SECOND, 599 * SECOND]


def test_a_long_history_keeps_its_beginning_and_its_end() -> None:
    history = [Event(NOW, Happening.GRANTED, fence) for fence in range(1, 301)]
    fences = [event.fence for event in shortened(history)]
    assert fences == [*range(1, 21), *range(221, 301)]
    assert shortened(history[:100]) == tuple(history[:100])
