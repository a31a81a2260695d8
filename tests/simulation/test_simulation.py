"""Thousands of histories of crashes, pauses, lost replies and lost stores, and not one that breaks a law.

``python -m tests.simulation --histories N`` plays more of them; ``--seed N`` plays one and tells it.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.protocol.test_record_law import TABLE
from tests.simulation.reached import POSSIBLE, RARE, Reached
from tests.simulation.script import script
from tests.simulation.shrinking import judged, shrunk, transcript

ROOT = Path(__file__).parents[2]
HISTORIES = 2500

# What the law of one request bears, and the runner never tells: it looks at one call at a time.
NEVER = {
    (state, event)
    for state in ("Settling", "Listening", "Finishing", "Done")
    for event in ("NothingSent", "ResponseOverdue")
}
# What a settlement meets only where a record was purged, or was somebody else's, while its own call still ran.
SELDOM = {
    (state, event)
    for state in ("none", "released", "completed", "expired")
    for event in ("complete", "release", "mark unknown", "forget", "its time is over")
}


@pytest.fixture(scope="module")
def reached() -> Reached:
    """All histories of the ordinary run, played and judged."""
    played = Reached()
    for seed in range(HISTORIES):
        ended, breaches = judged(script(seed))
        assert not breaches, f"{transcript(shrunk(script(seed)))}\npython -m tests.simulation --seed {seed}"
        played.add(ended)
    return played


def test_no_history_breaks_a_law(reached: Reached) -> None:
    assert reached.histories == HISTORIES
    assert reached.numbers["executions"] > HISTORIES
    assert reached.numbers["first bytes"] > reached.numbers["executions"]


@pytest.mark.parametrize("branch", RARE)
def test_histories_reach_the_rare_branches(reached: Reached, branch: str) -> None:
    assert reached.branches[branch] > 0, "\n".join(reached.lines())


def test_histories_reach_nearly_every_state_and_event_of_a_request_that_the_runner_can_tell(reached: Reached) -> None:
    told = POSSIBLE & reached.exchange.keys()
    assert not told & NEVER
    assert {state for state, _ in told} == {state for state, _ in POSSIBLE}
    # All but the handful that is met once in thousands of histories.
    assert len(told) >= len(POSSIBLE - NEVER) - 5, "\n".join(reached.lines())


def test_histories_reach_the_table_of_a_record(reached: Reached) -> None:
    assert TABLE.keys() - reached.record.keys() <= SELDOM, "\n".join(reached.lines())
    assert len(TABLE.keys() & reached.record.keys()) >= 30


def test_a_seed_is_one_history_in_every_process() -> None:
    code = (
        "from tests.simulation.script import script\n"
        "from tests.simulation.shrinking import transcript\n"
        "import hashlib\n"
        "print(hashlib.sha256(''.join(transcript(script(seed)) for seed in range(40)).encode()).hexdigest())"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert len(told) == 1


def test_the_command_plays_histories_and_says_how_many_and_what_they_reached() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.simulation", "--histories", "20"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert ran.stdout.startswith("20 histories, ")
    assert "pairs of state and event" in ran.stdout
