"""Every deliberate break of the gateway is noticed, and says so itself when the code that it breaks has changed.

``python -m tests.mutants`` asks more than one witness, and prints who notices what.
"""

import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.mutants.breaks import GONE, HARMLESS, MUTANTS, SIMULATION
from tests.mutants.trying import ROOT, tried


@pytest.fixture(scope="module")
def fates() -> Mapping[str, tuple[str, str]]:
    """What became of each mutant before the first of its witnesses, two at a time."""
    with ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda mutant: tried(mutant, mutant.noticed_by[0]), MUTANTS)
        return dict(zip((mutant.name for mutant in MUTANTS), found, strict=True))


@pytest.mark.parametrize("name", [mutant.name for mutant in MUTANTS])
def test_a_break_is_noticed(fates: Mapping[str, tuple[str, str]], name: str) -> None:
    fate, how = fates[name]
    assert fate == "noticed", f"{name}: {fate}: {how}"


def test_most_breaks_are_noticed_by_histories() -> None:
    assert sum(SIMULATION in mutant.noticed_by for mutant in MUTANTS) >= 20


def test_what_breaks_nothing_is_noticed_by_nobody() -> None:
    assert tried(HARMLESS, *HARMLESS.noticed_by) == ("LIVES", "nobody noticed")


def test_a_break_of_what_is_no_longer_there_is_stale() -> None:
    fate, how = tried(GONE, *GONE.noticed_by)
    assert fate == "STALE"
    assert "and not once: 'class KeyFaultOfOld'" in how


def test_a_failing_history_is_made_small_and_told_with_its_number() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "tests.mutants", "release on time-out"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    ).stdout
    planned, happened, breaches = told.split("\n\n", 2)
    assert planned.startswith("seed ")
    # One who loses the answer, and one who comes after; or one who does both.
    assert planned.count("Client(") <= 2
    assert planned.count("Crash(") + planned.count("Drain(") + planned.count("FrontFault(") == 0
    assert happened.count("FIRST BYTE") == 2
    assert breaches.startswith("i1_sent_once: key-")
    assert "without leave" in breaches
