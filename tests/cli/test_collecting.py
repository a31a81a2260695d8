"""A serving process looks for cycles seldom, and finds them all the same."""

import subprocess
import sys

CYCLES = """
import gc
from gateway.wiring.collecting import YOUNG, collect_seldom

collect_seldom()
kept = gc.get_freeze_count()
looked = gc.get_stats()[0]["collections"]
for _ in range(10 * YOUNG):
    cycle = []
    cycle.append(cycle)
print(kept > 1000, gc.get_stats()[0]["collections"] - looked, len(gc.get_objects()) <= 2 * YOUNG)
"""


def test_cycles_are_collected_in_thousands_and_what_the_start_made_is_left_alone() -> None:
    told = subprocess.run([sys.executable, "-c", CYCLES], capture_output=True, text=True, check=True, timeout=60)
    kept, looked, bounded = told.stdout.split()
    assert kept == "True"
    assert 5 <= int(looked) <= 10
    assert bounded == "True"
