"""How seldom a serving process looks for cycles among its objects.

A call leaves none behind (``tests/costs`` counts them), so that the collector finds only what is in flight, and would
look at it some forty times for each call: a tenth of what a call costs. Refuses to know what is served.
"""

import gc

# More objects than are in flight at any moment, few enough that cycles of rarer things are found while they are few.
YOUNG, TIMES = 20_000, 20


def collect_seldom() -> None:
    """For the rest of the process. What was made for its start stays, and is not looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, TIMES, TIMES)
