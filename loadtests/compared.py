"""The same figure of several things, measured in turn, as a line for people.

Every round measures each thing once, so that a ratio compares what the machine did in the same seconds: the median of
the rounds' ratios is what to look at, and their spread says how far to believe it.
"""

import statistics
from collections.abc import Sequence


def ratio_of(base: Sequence[float], found: Sequence[float]) -> str:
    """The median ratio of ``found`` to ``base`` and its spread: 22 characters."""
    each = [one / against for against, one in zip(base, found, strict=True)]
    return f"{statistics.median(each):>8.2f}{f'{min(each):.2f} to {max(each):.2f}':>14}"
