"""``python -m tests.mutants``: every mutant before each of its witnesses, and a table of who noticed what, and when.

``python -m tests.mutants NAME`` shows the history that gives one away, as small as it gets. Exits 1 where a mutant
lives or is stale.
"""

import sys
from concurrent.futures import ThreadPoolExecutor

from tests.mutants import breaking
from tests.mutants.breaks import MUTANTS, SIMULATION
from tests.mutants.trying import tried


def main() -> int:
    """The command."""
    if len(sys.argv) > 1:
        return breaking.main(sys.argv[1], SIMULATION, "tell")
    pairs = [(mutant, witness) for mutant in MUTANTS for witness in mutant.noticed_by]
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(lambda pair: tried(*pair), pairs))
    for (mutant, witness), (fate, how) in zip(pairs, outcomes, strict=True):
        print(f"{fate:8} {mutant.name:48} {witness:32} {how}")
    dead = sum(fate == "noticed" for fate, _ in outcomes)
    print(f"\n{len(MUTANTS)} mutants, {dead} of {len(pairs)} noticed")
    return 0 if dead == len(pairs) else 1


if __name__ == "__main__":
    sys.exit(main())
