"""What a run found, as values and as a file for programs: every figure of every round, nothing made of it yet."""

import json
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Self


class Kind(StrEnum):
    """What is called."""

    PASS = "pass-through"  # noqa: S105 - no password
    FIRST = "first calls"
    REPLAY = "replays"
    ONE = "replays of one key"


@dataclass(frozen=True, slots=True)
class Round:
    """One load: calls a second, latencies (seconds), and what the measured process took for each call.

    ``cpu`` is in seconds; ``memory`` is how much it grew, in bytes; ``peak`` what it ever had, in bytes.
    """

    rate: float
    p50: float
    p99: float
    p999: float
    cpu: float
    memory: float
    peak: int


@dataclass(frozen=True, slots=True)
class Row:
    """One thing measured in one way, in as many rounds as there were."""

    subject: str
    kind: Kind
    connections: int
    body: int
    rounds: list[Round] = field(default_factory=list)

    def median(self, figure: Callable[[Round], float]) -> float:
        """Of the rounds."""
        return statistics.median(figure(each) for each in self.rounds)


@dataclass(frozen=True, slots=True)
class Ratio:
    """Of two rows, round by round: the median, the least and the most."""

    median: float
    least: float
    most: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.least:.2f} to {self.most:.2f})"


def ratio(found: Row, base: Row) -> Ratio:
    """How ``found`` compares with ``base`` in the rounds that both have."""
    pairs = zip(found.rounds, base.rounds, strict=False)
    each = [one.rate / against.rate for one, against in pairs]
    return Ratio(statistics.median(each), min(each), max(each))


def added(found: Row, base: Row, figure: Callable[[Round], float]) -> Ratio:
    """How much of a latency comes on top of ``base``'s, in seconds."""
    each = [figure(one) - figure(against) for one, against in zip(found.rounds, base.rounds, strict=False)]
    return Ratio(statistics.median(each), min(each), max(each))


@dataclass(frozen=True, slots=True)
class Observed:
    """What one subject did when it was asked to keep the promises, before it was measured: statuses and executions."""

    subject: str
    retry: str
    other_body: str
    at_once: str
    executed: int
    lacks: str


@dataclass(frozen=True, slots=True)
class Soak:
    """Resident memory of one gateway over a million calls: bytes, each after so many calls."""

    subject: str
    samples: list[tuple[int, int]]
    peak: int

    @property
    def flatness(self) -> float:
        """How much larger it was at the end than half-way, as a share."""
        half = next(memory for calls, memory in self.samples if calls >= self.samples[-1][0] / 2)
        return self.samples[-1][1] / half - 1


@dataclass(slots=True)
class Run:
    """A whole run."""

    made: str
    form: str
    method: dict[str, str]
    versions: dict[str, str]
    rows: list[Row] = field(default_factory=list)
    observed: list[Observed] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    soak: Soak | None = None

    def row(self, subject: str, kind: Kind, connections: int = 64, body: int = 200) -> Row | None:
        """The one, where it was measured."""
        for row in self.rows:
            if (row.subject, row.kind, row.connections, row.body) == (subject, kind, connections, body) and row.rounds:
                return row
        return None

    def write(self, file: Path) -> None:
        """As JSON."""
        file.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def read(cls, file: Path) -> Self:
        """What ``write`` wrote."""
        found = json.loads(file.read_text())
        found["rows"] = [_row(each) for each in found["rows"]]
        found["observed"] = [Observed(**each) for each in found["observed"]]
        if (soak := found["soak"]) is not None:
            samples = [(calls, memory) for calls, memory in soak["samples"]]
            found["soak"] = Soak(soak["subject"], samples, soak["peak"])
        return cls(**found)


def _row(found: dict[str, Any]) -> Row:
    rounds = [Round(**each) for each in found["rounds"]]
    return Row(found["subject"], Kind(found["kind"]), found["connections"], found["body"], rounds)
