"""A sweep of a full store to its end, as the gateway does it: how fast it is, and what the claims beside it feel.

Knows ``ports.Store`` and nothing else. A sweep that does not do exactly what is due is no measurement.
"""

import asyncio
from collections.abc import Callable
from dataclasses import astuple, dataclass, field
from statistics import median
from time import perf_counter

from gateway.ports import Store, SweepCounts
from gateway.runner.sweeping import BATCH
from loadtests.calls import Keys, crowd, first_calls, lasting
from loadtests.growth.speed import Effort, Speed
from loadtests.load import Figures


@dataclass
class _Sweep:
    """Batches, and what they have done so far."""

    store: Store
    done: list[SweepCounts] = field(default_factory=list[SweepCounts])

    @property
    def counts(self) -> SweepCounts:
        return SweepCounts(*map(sum, zip(*map(astuple, self.done), strict=True)))

    async def run(self, going: Callable[[], bool]) -> float:
        """Batches until one finds nothing, for as long as it goes on; rows a second."""
        rows, begun = 0, perf_counter()
        while going():
            counts = await self.store.sweep(BATCH)
            self.done.append(counts)
            rows += counts.total
            if counts.total == 0:
                break
        return rows / (perf_counter() - begun)


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep did, its rows a second beside first calls and alone, and those first calls."""

    counts: SweepCounts
    beside: float
    alone: float
    claims: Figures


async def swept(store: Store, due: SweepCounts, effort: Effort) -> Swept:
    """Sweeps half of what is ``due`` while first calls come, for as long as a round at most; then the rest of it."""
    sweep, in_time = _Sweep(store), lasting(effort.seconds)

    def going() -> bool:
        return in_time() and sum(each.total for each in sweep.done) < due.total / 2

    first = asyncio.create_task(sweep.run(going))
    tally = await crowd(first_calls(store, Keys("beside a sweep")), effort.callers, lambda: not first.done())
    alone = await sweep.run(lambda: True)
    assert sweep.counts == due, f"{sweep.counts} swept of {due}"
    return Swept(sweep.counts, await first, alone, tally.figures())


def line(swept: Swept, quiet: list[Speed]) -> str:
    """For people; ``quiet``: the first calls without a sweep."""
    rate, p99 = (median(getattr(each.crowd, part) for each in quiet) for part in ("rate", "p99"))
    return (
        f"sweep in batches of {BATCH}: {swept.counts.answers_expired:,} answers dropped, "
        f"{swept.counts.forgotten:,} records forgotten; {swept.alone:,.0f} rows/s alone, {swept.beside:,.0f} beside "
        f"{swept.claims.rate:,.0f} first calls/s ({rate:,.0f} without it), "
        f"whose claim p99 is {1000 * swept.claims.p99:.1f} ms ({1000 * p99:.1f} without it)"
    )
