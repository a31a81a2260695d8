"""``python -m tests.simulation``: plays histories and tells what they reached; a failing one is shrunk and told.

Exits 1 at the first seed whose history breaks a law.
"""

import argparse
import sys
import time

from tests.simulation.reached import Reached
from tests.simulation.script import script
from tests.simulation.shrinking import judged, shrunk, transcript


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--histories", type=int, default=1000, help="how many seeds, from --first on")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="plays this one alone, and tells it whole")
    chosen = parser.parse_args()
    if chosen.seed is not None:
        return told(chosen.seed)
    begun, reached = time.monotonic(), Reached()
    for seed in range(chosen.first, chosen.first + chosen.histories):
        ended, found = judged(script(seed))
        if found:
            return told(seed)
        reached.add(ended)
    seconds = time.monotonic() - begun
    print(f"{reached.histories:,} histories, {60 * reached.histories / seconds:,.0f} a minute, 0 breaches")
    print("\n".join(reached.lines()))
    return 0


def told(seed: int) -> int:
    """One history as people read it; a failing one as small as it gets."""
    plan = script(seed)
    fails = bool(judged(plan)[1])
    print(transcript(shrunk(plan) if fails else plan))
    print(f"\nto play it again: python -m tests.simulation --seed {seed}")
    return int(fails)


if __name__ == "__main__":
    sys.exit(main())
