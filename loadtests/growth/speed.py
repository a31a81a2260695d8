"""How fast a store is while it is empty and while it is full: the two in turn, round by round, and as a ratio.

Knows ``ports.Store`` and nothing else: a Postgres and a Redis are measured alike.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from statistics import median

from gateway.ports import Store
from gateway.protocol.model import RecordId
from loadtests.calls import Keys, crowd, first_calls, lasting, replays
from loadtests.compared import ratio_of
from loadtests.load import Figures

# A store made ready for one round.
Opened = Callable[[], AbstractAsyncContextManager[Store]]


@dataclass(frozen=True, slots=True)
class Effort:
    """How much load, for how long, how often."""

    callers: int
    seconds: float
    rounds: int


@dataclass(frozen=True, slots=True)
class Speed:
    """One store in one round. First calls are claimed and completed; the times are those of their claims."""

    alone: Figures
    crowd: Figures
    replays: Figures


async def speed(store: Store, name: str, effort: Effort, known: Callable[[], RecordId] | None) -> Speed:
    """First calls one at a time, then many at once, then replays of what is ``known``, or else of those first calls."""
    keys = Keys(name)
    alone = await crowd(first_calls(store, keys), 1, lasting(effort.seconds))
    many = await crowd(first_calls(store, keys), effort.callers, lasting(effort.seconds))
    again = await crowd(replays(store, known or keys.old), effort.callers, lasting(effort.seconds))
    return Speed(alone.figures(), many.figures(), again.figures())


async def speeds(
    empty: Opened, full: Opened, known: Callable[[], RecordId], effort: Effort
) -> tuple[list[Speed], list[Speed]]:
    """Both in turn, as many times as asked."""
    of_empty: list[Speed] = []
    of_full: list[Speed] = []
    for number in range(effort.rounds):
        async with empty() as store:
            of_empty.append(await speed(store, f"empty {number}", effort, None))
        async with full() as store:
            of_full.append(await speed(store, f"full {number}", effort, known))
    return of_empty, of_full


def table(empty: list[Speed], full: list[Speed], effort: Effort) -> list[str]:
    """Lines for people: medians of the rounds, and the ratio of full to empty in the same round."""
    lines = [f"{'':34}{'empty':>10}{'full':>10}{'ratio':>8}{'spread':>14}"]
    for name, course, part, unit in (
        (f"first calls/s, {effort.callers} callers", "crowd", "rate", 1),
        (f"replays/s, {effort.callers} callers", "replays", "rate", 1),
        ("claim alone, p50 ms", "alone", "median", 1000),
        ("claim alone, p99 ms", "alone", "p99", 1000),
        (f"claim, {effort.callers} callers, p50 ms", "crowd", "median", 1000),
        (f"claim, {effort.callers} callers, p99 ms", "crowd", "p99", 1000),
    ):
        of_empty, of_full = ([unit * getattr(getattr(each, course), part) for each in of] for of in (empty, full))
        shown = (f"{median(each):>10,.{0 if unit == 1 else 2}f}" for each in (of_empty, of_full))
        lines.append(f"{name:34}{''.join(shown)}{ratio_of(of_empty, of_full)}")
    return lines
