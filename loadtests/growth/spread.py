"""How the records of a full store are spread over retention, and what a sweep therefore has to do.

Knows ages. Refuses to know stores: each makes its records old in its own way.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from gateway.ports import SweepCounts
from gateway.protocol.model import RecordId
from loadtests.calls import RETENTION, id_of

# So far from every deadline, that none passes while somebody measures.
_APART = timedelta(hours=3)


def record_of(number: int) -> RecordId:
    """The id of the record of that number."""
    return id_of("filled", number)


class Fate(Enum):
    """What time has made of a completed record that no sweep has seen."""

    FORGOTTEN = "forgotten"
    EXPIRED = "its answer expired"
    KEPT = "replayed"


@dataclass(frozen=True, slots=True)
class Stretch:
    """Records of one fate by their numbers, completed evenly between two ages, the oldest first."""

    fate: Fate
    numbers: range
    oldest: timedelta
    youngest: timedelta

    def ages(self) -> Iterator[tuple[int, timedelta]]:
        """Each number and its age."""
        return ((number, self.oldest - at * self._step) for at, number in enumerate(self.numbers))

    def parts(self, size: int) -> "Iterator[Stretch]":
        """The same in pieces of at most ``size`` records."""
        for start in range(0, len(self.numbers), size):
            numbers = self.numbers[start : start + size]
            oldest = self.oldest - start * self._step
            yield Stretch(self.fate, numbers, oldest, oldest - len(numbers) * self._step)

    @property
    def _step(self) -> timedelta:
        return (self.oldest - self.youngest) / max(len(self.numbers), 1)


@dataclass(frozen=True, slots=True)
class Spread:
    """So many records, numbered from 1, of which a share is due for the sweep: one half of it to be forgotten."""

    count: int
    share: float

    @property
    def due(self) -> int:
        """Records that have an answer to lose."""
        return round(self.count * self.share)

    @property
    def forgotten(self) -> int:
        """Those of them that go altogether."""
        return self.due // 2

    @property
    def kept(self) -> range:
        """Numbers of those that are replayed."""
        return range(self.due + 1, self.count + 1)

    def known(self) -> RecordId:
        """Any of those."""
        return record_of(random.choice(self.kept))

    @property
    def to_sweep(self) -> SweepCounts:
        """What sweeps must do until nothing is left to do."""
        return SweepCounts(answers_expired=self.due, forgotten=self.forgotten)

    def stretches(self) -> tuple[Stretch, ...]:
        """In the order in which they were completed."""
        end = RETENTION.response + RETENTION.key
        expired = range(self.forgotten + 1, self.due + 1)
        return (
            Stretch(Fate.FORGOTTEN, range(1, self.forgotten + 1), end + timedelta(days=1), end + _APART),
            Stretch(Fate.EXPIRED, expired, end - _APART, RETENTION.response + _APART),
            Stretch(Fate.KEPT, self.kept, RETENTION.response - _APART, timedelta()),
        )

    def line(self, seconds: float) -> str:
        """For people; how long it took to fill a store."""
        return (
            f"{self.count:,} completed records, {self.due:,} of them due for the sweep: "
            f"filled in {seconds:,.1f} s, {self.count / seconds:,.0f} a second"
        )

    def again(self) -> Stretch:
        """As many new records as are forgotten."""
        return Stretch(Fate.KEPT, range(self.count + 1, self.count + 1 + self.forgotten), timedelta(), timedelta())
