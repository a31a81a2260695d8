"""A run in words: what was called, what was done to whom, what came of it; and the whole story of what must not be."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.chaos.invariants import Violation, violations, why_unknown
from tests.chaos.logs import Logs, by_key, story

# So many keys are told whole.
TOLD = 5


@dataclass(frozen=True, slots=True)
class Report:
    """A run, judged. ``events``: what the gateways logged, by name; ``in_vain``: starts without a store."""

    seed: int
    seconds: float
    logs: Logs
    events: Mapping[str, int]
    in_vain: int
    violations: tuple[Violation, ...]

    @classmethod
    def of(cls, seed: int, seconds: float, logs: Logs, events: Mapping[str, int], in_vain: int) -> "Report":
        return cls(seed, seconds, logs, events, in_vain, tuple(violations(logs)))

    @property
    def exit_code(self) -> int:
        """0 only where no promise was broken, and enough went well and enough went wrong to tell."""
        return 0 if not self.violations and self.executions and self.logs.faults else 1

    @property
    def executions(self) -> int:
        return sum(each.executed for each in self.logs.arrivals)

    @property
    def unknowns(self) -> Counter[str]:
        """How many keys ended unknown, by the reason."""
        reasons = (why_unknown(one, self.logs.faults) for one in by_key(self.logs))
        return Counter(reason for reason in reasons if reason)

    def lines(self) -> Iterator[str]:
        """For people."""
        logs, unknowns = self.logs, self.unknowns
        keys = {each.key for each in logs.attempts}
        yield f"chaos: seed {self.seed}, {self.seconds:.0f} s of faults"
        yield f"{len(logs.attempts):>8,}  calls, under {len(keys):,} keys"
        yield from _counted(Counter(each.told for each in logs.attempts))
        yield f"{len(logs.faults):>8,}  faults"
        yield from _counted(Counter(each.kind for each in logs.faults))
        yield f"{len(logs.arrivals):>8,}  requests upstream, {self.executions:,} executions"
        yield from _counted(Counter(each.mood for each in logs.arrivals))
        yield f"{sum(self.events.values()):>8,}  log lines of the gateways, {self.in_vain} starts in vain"
        yield from _counted(Counter(self.events))
        false = unknowns.total() - unknowns["executed"]
        yield f"{unknowns.total():>8,}  keys unknown: {unknowns['executed']} true, {false} false"
        yield from _counted(unknowns)
        yield f"{len(self.violations):>8,}  violations"
        yield from self._stories()

    def _stories(self) -> Iterator[str]:
        for each in self.violations:
            yield f"{each.law} {each.key}: {each.what}"
        told = list(dict.fromkeys(each.key for each in self.violations if each.key))[:TOLD]
        for one in by_key(self.logs):
            if one.key in told:
                yield from story(one, self.logs.faults)


def _counted(counts: Counter[str]) -> Iterator[str]:
    return (f"{count:>12,}  {what}" for what, count in counts.most_common())
