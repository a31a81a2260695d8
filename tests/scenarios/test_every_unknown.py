"""Each policy of the unknown with each way to lose a call, and how often it was executed in the end."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.ledger import Ledger, Mood, order
from tests.scenarios.four_policies import OWED, POLICIES, routes, settled
from tests.stage import Heard, Stage, playing
from tests.upstream import Play, Upstream, answer, running_upstream

DEADLINE = 30.0
TIMEOUT, QUIET = "{connect: 1s, response: 1s, total: 1s}", "1s"
SMALL = answer(201, b"ok")
BROKEN = "502 unknown outcome-unknown"

FAILURES = {
    "reset after it was executed": (Mood(True, Play(then="reset")), BROKEN),
    "reset before it was executed": (Mood(False, Play(then="reset")), BROKEN),
    "closed after it was executed": (Mood(True, Play()), BROKEN),
    "closed before it was executed": (Mood(False, Play()), BROKEN),
    "executed, and silent": (Mood(True, Play(then="hang")), "504 unknown outcome-unknown"),
    "silent, and not executed": (Mood(False, Play(then="hang")), "504 unknown outcome-unknown"),
}


@pytest.fixture
def ledger(upstream: Upstream) -> Ledger:
    return Ledger(upstream)


@pytest.fixture
def stage(upstream: Upstream, ledger: Ledger, tmp_path: Path) -> Iterator[Stage]:
    with playing(upstream, "memory:", tmp_path, routes(upstream.port, TIMEOUT, QUIET)) as playing_it:
        yield playing_it


def charge(stage: Stage, policy: str, key: str) -> Heard:
    return stage.post(key, order(key), target=f"/{policy}")


def comes_back(stage: Stage, policy: str, key: str) -> Heard:
    """What a caller hears who comes back as it is told to."""
    end = time.monotonic() + DEADLINE
    while not settled(policy, heard := charge(stage, policy, key)):
        assert time.monotonic() < end, heard
    return heard


def owed(stage: Stage, ledger: Ledger, policy: str, key: str, *, executed: bool) -> None:
    """Holds what became of a lost call to what its policy promises."""
    due = OWED[policy, executed]
    told = comes_back(stage, policy, key).told
    assert told.endswith(due.told), (policy, key, told)
    assert (ledger.sent[key], ledger.charged[key]) == (due.sent, due.charged), (policy, key)
    again = charge(stage, policy, key).told
    assert again == told.replace("executed", "replayed"), "nothing comes after that"


@pytest.mark.parametrize("failure", FAILURES)
def test_a_lost_call_comes_to_what_its_policy_promises(stage: Stage, ledger: Ledger, failure: str) -> None:
    mood, told = FAILURES[failure]
    for policy in POLICIES:
        ledger.mood_of[policy] = mood
    first = dict(zip(POLICIES, stage.pool.map(lambda policy: charge(stage, policy, policy), POLICIES), strict=True))
    assert {policy: heard.told for policy, heard in first.items()} == dict.fromkeys(POLICIES, told)
    for policy in POLICIES:
        owed(stage, ledger, policy, policy, executed=mood.executes)


@pytest.mark.parametrize("policy", POLICIES)
def test_an_answer_cut_at_any_byte_is_none_under_every_policy(stage: Stage, ledger: Ledger, policy: str) -> None:
    cuts = {f"{policy}-{at}": SMALL[:at] for at in range(len(SMALL))}
    ledger.mood_of.update({key: Mood(True, Play(cut)) for key, cut in cuts.items()})
    with ThreadPoolExecutor(8) as callers:
        told = list(callers.map(lambda key: charge(stage, policy, key).told, cuts))
        assert told == [BROKEN] * len(cuts)
        list(callers.map(lambda key: owed(stage, ledger, policy, key, executed=True), cuts))
    ledger.mood_of["whole"] = Mood(True, Play(SMALL))
    assert charge(stage, policy, "whole").told == "201 executed"


def test_a_call_that_was_not_sent_is_sent_by_the_next_one_under_every_policy(
    unused_port: int, upstream: Upstream, tmp_path: Path
) -> None:
    with playing(upstream, "memory:", tmp_path, routes(unused_port, TIMEOUT, QUIET)) as stage:
        for policy in POLICIES:
            assert charge(stage, policy, policy).told == "503 not-executed upstream-unreachable"
        with running_upstream(unused_port) as late:
            ledger = Ledger(late)
            for policy in POLICIES:
                assert charge(stage, policy, policy).told == "201 executed"
                assert charge(stage, policy, policy).told == "201 replayed"
            assert ledger.sent == ledger.charged == dict.fromkeys(POLICIES, 1)
            assert ledger.asked == [], "what was not sent is not asked about"
