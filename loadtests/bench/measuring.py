"""Loads everything in turn, round by round, and holds what was answered against what was executed.

Knows the order of things and what makes a load no measurement: an answer that is none, a call that was executed twice
or not at all, a record that was not kept. Refuses to know how anything is started or shown.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from loadtests.bench.checking import Wrong, sample
from loadtests.bench.ledger import Called
from loadtests.bench.plan import Stage, Step
from loadtests.bench.result import Kind, Round, Row
from loadtests.bench.subjects import Running, Subject
from loadtests.bench.usage import Usage, usage
from loadtests.bench.wrk import Keys, Load, load

# As many different keys are retried in turn, where as many were called.
KNOWN = 10_000
# A load to which nothing was answered, on a machine that is busy, is made again and longer, up to so many seconds.
LONGEST = 10.0

Rows = dict[tuple[Subject, Kind], Row]


@dataclass(frozen=True, slots=True)
class Bodies:
    """What is sent, as a file too, and what is answered."""

    request: bytes
    file: Path
    answer: bytes


@dataclass
class Account:
    """Calls of one kind from the beginning on: how many were answered, were made, and came to the API.

    What the end of a load cuts off may still be executed while others are loaded, so only sums can be compared.
    """

    answered: int = 0
    made: int = 0
    executed: int = 0
    too_many: int = 0

    def sent(self, found: Load) -> None:
        """Enters a load."""
        self.answered += max(0, found.calls - found.wrong)
        self.made += found.made

    def fault(self) -> str | None:
        """What is wrong, where anything is."""
        if self.too_many:
            return f"{self.too_many} calls were executed that must not be"
        if not self.answered <= self.executed <= self.made:
            return f"{self.answered} calls were answered, {self.made} made, and {self.executed} executed"
        return None


@dataclass
class Measuring:
    """The loads of one stage. ``faults`` names who may not be counted, and why: they are not measured any more."""

    stage: Stage
    bodies: Bodies
    running: dict[Subject, Running]
    told: Callable[[str], None]
    rows: list[Row] = field(default_factory=list)
    faults: dict[Subject, str] = field(default_factory=dict[Subject, str])
    _first: dict[Subject, Account] = field(default_factory=dict[Subject, Account])
    _unguarded: Account = field(default_factory=Account)
    _of: dict[str, Subject] = field(default_factory=dict[str, Subject])
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def all_steps(self) -> None:
        """Warms everybody up, then measures."""
        for running in self.running.values():
            # What was called before, when everybody was tried, is not of these loads.
            running.api.since()
        self._round(Step(self.stage.steps[0].connections, self.stage.warm_up, 1, lambda _: True), 0, {})
        for step in self.stage.steps:
            rows: Rows = {}
            for number in range(step.rounds):
                self.told(f"{step.connections} connections, round {number + 1} of {step.rounds}")
                self._round(step, number, rows)
            self.rows += [row for (subject, _), row in rows.items() if subject not in self.faults]

    def _round(self, step: Step, number: int, rows: Rows) -> None:
        """Everybody once. Each round begins with another one, so that nobody always follows the same."""
        subjects = [each for each in self.running if step.chosen(each) and each not in self.faults]
        turn = number % len(subjects) if subjects else 0
        for subject in (*subjects[turn:], *subjects[:turn]):
            try:
                self._subject(subject, step, rows)
            except Wrong as wrong:
                self._fault(subject, str(wrong))
        self._hold_against_the_api(subjects)

    def _subject(self, subject: Subject, step: Step, rows: Rows) -> None:
        """Its kinds in their order: the keys of the first calls are those that are retried."""
        prefix, known = "", 0
        for kind in subject.kinds:
            keys, found, one = self._answered(subject, kind, Keys(_KEYS[kind], prefix, known), step)
            if kind is Kind.FIRST:
                # Those that the end of the load cut off are the last ones.
                prefix, known = keys.prefix, max(1, min(KNOWN, found.calls - step.connections))
                sample(self.running[subject], prefix, known, self.bodies.request, self.bodies.answer)
            row = Row(subject.name, kind, step.connections, len(self.bodies.request))
            rows.setdefault((subject, kind), row).rounds.append(one)

    def _answered(self, subject: Subject, kind: Kind, keys: Keys, step: Step) -> tuple[Keys, Load, Round]:
        """A load to which something was answered, and with which keys; first calls have new ones."""
        running, seconds = self.running[subject], step.seconds
        while True:
            if kind is Kind.FIRST:
                keys = Keys(keys.kind, self._prefix(subject))
            elif kind is Kind.ONE:
                keys = Keys(keys.kind, keys.prefix, 1)
            before = usage(running.process)
            found = load(running.port, keys, self.bodies.file, connections=step.connections, seconds=seconds)
            after = usage(running.process)
            if kind is Kind.PASS:
                self._unguarded.sent(found)
            elif kind is Kind.FIRST:
                self._first.setdefault(subject, Account()).sent(found)
            if found.wrong or (not found.calls and seconds >= LONGEST):
                raise Wrong(f"{kind}: {found.wrong} of {found.calls} answers were none")
            if found.calls:
                return keys, found, _round_of(found, before, after)
            seconds *= 2

    def _prefix(self, subject: Subject) -> str:
        number = str(next(self._numbers))
        self._of[number] = subject
        return f"{number}-"

    def _hold_against_the_api(self, subjects: list[Subject]) -> None:
        """Every first call was executed once, and nothing else was."""
        for api in {id(self.running[each].api): self.running[each].api for each in subjects}.values():
            alone = [each for each in subjects if self.running[each].api is api]
            self._entered(api.since(), alone)
        for subject, account in self._first.items():
            if (fault := account.fault()) is not None:
                self._fault(subject, fault)
        if (fault := self._unguarded.fault()) is not None:
            for subject in subjects:
                if Kind.PASS in subject.kinds:
                    self._fault(subject, f"without a key, of several: {fault}")

    def _entered(self, found: Called, subjects: list[Subject]) -> None:
        self._unguarded.executed += found.without_key
        for counts, name in ((found.executed, "executed"), (found.too_many, "too_many")):
            for prefix, count in counts.items():
                # An application that is measured itself counts without prefixes.
                account = self._first.setdefault(self._of.get(prefix) or subjects[0], Account())
                setattr(account, name, getattr(account, name) + count)

    def _fault(self, subject: Subject, fault: str) -> None:
        self.faults.setdefault(subject, fault)
        self.told(f"{subject.name} is not counted: {fault}")


_KEYS = {Kind.PASS: "none", Kind.FIRST: "new", Kind.REPLAY: "known", Kind.ONE: "known"}


def _round_of(found: Load, before: Usage, after: Usage) -> Round:
    return Round(
        found.rate,
        found.p50,
        found.p99,
        found.p999,
        (after.cpu - before.cpu) / found.calls,
        (after.memory - before.memory) / found.calls,
        after.peak,
    )
