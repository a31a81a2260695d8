"""What is measured how often and how long: the full form, and the quick one that only shows that everything works."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from loadtests.bench.bodies import LARGE, MEDIUM, SMALL
from loadtests.bench.subjects import (
    DIRECT,
    NGINX,
    NGINX_LUA,
    POSTGRES,
    REDIS_NAME,
    SUBJECTS,
    TIERED,
    Subject,
)

Chosen = Callable[[Subject], bool]


def _all(subject: Subject) -> bool:
    return subject.name != DIRECT


def _ours_and_nginx(subject: Subject) -> bool:
    return subject.ours or subject.name in (NGINX, NGINX_LUA)


def _latencies(subject: Subject) -> bool:
    return subject.name in (DIRECT, NGINX, NGINX_LUA, REDIS_NAME, POSTGRES, TIERED)


@dataclass(frozen=True, slots=True)
class Step:
    """Who is loaded in turn, over how many connections, for how many rounds of how many seconds each."""

    connections: int
    seconds: float
    rounds: int
    chosen: Chosen

    def changed(self, rounds: int | None, seconds: float | None) -> "Step":
        """The same with others, where they are given."""
        return replace(self, rounds=rounds or self.rounds, seconds=seconds or self.seconds)


@dataclass(frozen=True, slots=True)
class Stage:
    """Steps with bodies of one size, on servers that are started for it."""

    body: int
    steps: tuple[Step, ...]
    warm_up: float

    def subjects(self) -> tuple[Subject, ...]:
        """Whoever is in one of the steps."""
        return tuple(subject for subject in SUBJECTS if any(step.chosen(subject) for step in self.steps))


@dataclass(frozen=True, slots=True)
class Form:
    """A way to run all of it."""

    name: str
    stages: tuple[Stage, ...]

    def changed(self, rounds: int | None, seconds: float | None) -> "Form":
        """The same with other rounds or seconds in each step."""
        stages = tuple(
            replace(stage, steps=tuple(step.changed(rounds, seconds) for step in stage.steps)) for stage in self.stages
        )
        return replace(self, stages=stages)


QUICK = Form("quick", (Stage(SMALL, (Step(64, 0.4, 2, _all), Step(1, 0.3, 1, _latencies)), warm_up=0.2),))

FULL = Form(
    "full",
    (
        Stage(
            SMALL,
            (
                Step(64, 3.0, 5, _all),
                Step(1, 2.0, 5, _latencies),
                Step(8, 2.0, 3, _ours_and_nginx),
                Step(256, 2.0, 3, _ours_and_nginx),
            ),
            warm_up=1.0,
        ),
        Stage(MEDIUM, (Step(64, 2.0, 3, _ours_and_nginx),), warm_up=0.5),
        Stage(LARGE, (Step(8, 2.0, 3, _ours_and_nginx),), warm_up=0.5),
    ),
)
