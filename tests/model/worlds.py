"""The worlds that the model is asked about, the mutants, and the limits: what may happen in each, what must come out.

A world says how many calls there are and how much may go wrong; what it does not name does not happen. Together the
worlds hold every fault with every other one that it could matter to; all of them in one world are more than a machine
holds.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from tests.model.spin import SOURCES

Bounds: TypeAlias = dict[str, int]

# As often as it can be.
MANY = {"SILENCES": 7, "LAPSES": 7}


@dataclass(frozen=True, slots=True)
class World:
    """``reaches``: what must come to pass in it, so that its promises are not kept by nothing happening."""

    bounds: Bounds
    reaches: tuple[str, ...] = ()


WORLDS = {
    "three calls, a doubtful commit": World(
        MANY | {"ATTEMPTS": 3, "DOUBTS": 1, "CRASHES": 1, "FAILOVERS": 1},
        (
            "late answer settles an unknown",
            "503 with the row existing",
            "an ambiguous commit confirmed",
            "a grant taken back",
            "a standby promoted",
            "a statement done late",
            "died in flight",
            "sent after its lease",
            "replayed by the authority",
        ),
    ),
    "two calls, doubtful commits, an operator's word": World(
        MANY | {"ATTEMPTS": 2, "DOUBTS": 2, "CRASHES": 1, "WORDS": 1, "FAILOVERS": 1},
        ("a settlement finds that the record moved on", "503, store unavailable"),
    ),
    "sent again by leave": World(
        MANY | {"ATTEMPTS": 3, "RETRIES": 1}, ("taken over", "a take-over's release leads back to unknown")
    ),
    "sent again by leave, doubtful commits": World(
        MANY | {"ATTEMPTS": 2, "RETRIES": 1, "DOUBTS": 1, "CRASHES": 1, "WORDS": 1},
        ("taken over", "a grant taken back"),
    ),
    "retention": World(MANY | {"ATTEMPTS": 2, "DOUBTS": 1, "CRASHES": 1, "AGES": 4}, ("a record purged",)),
    "a Redis in front": World(
        {"ATTEMPTS": 3, "FRONTS": 1, "DOUBTS": 1, "SILENCES": 2, "LAPSES": 1},
        ("replayed by the front", "busy by a hint", "a grant taken back"),
    ),
    "two Redis servers at one time, seen and lost": World(
        MANY | {"ATTEMPTS": 2, "FRONTS": 1, "WAITS": 1, "DOUBTS": 1, "RESTARTS": 1, "SPLIT": 1, "EVICTIONS": 1},
        ("a waiter looks past a hint", "a waiter hears the answer", "a copy in a restored Redis"),
    ),
    "forgotten": World(
        MANY | {"ATTEMPTS": 2, "FRONTS": 1, "FORGETS": 1, "EVICTIONS": 1, "CRASHES": 1},
        ("copies gone", "a copy refused by a marker", "a refill takes its copy back"),
    ),
    "forgotten, and another Redis": World(
        {"ATTEMPTS": 2, "FRONTS": 1, "FORGETS": 1, "RESTARTS": 1},
        ("copies gone", "replayed by the front", "a copy in a restored Redis"),
    ),
}

# Larger than the tests have time for; ``python -m tests.model`` explores them too.
LARGE = {
    "four calls": World(MANY | {"ATTEMPTS": 4, "DOUBTS": 1}),
    "three calls, an operator's word": World(MANY | {"ATTEMPTS": 3, "DOUBTS": 1, "CRASHES": 1, "WORDS": 1}),
    "sent again by leave, three calls, a doubtful commit": World(
        MANY | {"ATTEMPTS": 3, "RETRIES": 1, "DOUBTS": 1},
    ),
    "three calls, retention": World(MANY | {"ATTEMPTS": 3, "AGES": 4}),
    "a Redis in front, three calls that wait": World(
        MANY | {"ATTEMPTS": 3, "FRONTS": 1, "WAITS": 1, "RESTARTS": 1, "SPLIT": 1}
    ),
}

# What each mutant needs to do its harm, and which promise it must break.
MUTANTS: Mapping[str, tuple[str, Bounds]] = {
    "CHECK_THEN_ACT": ("ONCE", {}),
    "DOUBT_IS_A_GRANT": ("ONCE", {"DOUBTS": 1}),
    "READING_IS_PROOF": ("ONCE", {"DOUBTS": 2, "FAILOVERS": 1}),
    "DOUBT_IS_DELETED": ("ONCE", {"ATTEMPTS": 3, "DOUBTS": 1}),
    "TAKES_OVER_LEASES": ("ONCE", {}),
    "RELEASES_ON_SILENCE": ("ONCE", {}),
    "PURGES_THE_UNSETTLED": ("ONCE", {"AGES": 1}),
    "FAILOVER_LOSES": ("ONCE", {"FAILOVERS": 1}),
    "REDIS_GRANTS": ("ONCE", {"FRONTS": 1}),
    "HINT_IS_A_GRANT": ("ONCE", {"FRONTS": 1, "WAITS": 1}),
    "HINT_OUTLIVES_ITS_CALL": ("WORD", {"FRONTS": 1, "WAITS": 1}),
    "COMPLETES_UNFENCED": ("COMPLETED_STAYS", {"WORDS": 1}),
    "SETTLES_WITHOUT_OWNER": ("SAME_ANSWER", {"ATTEMPTS": 3, "AGES": 2}),
    "REFILLS_WITHOUT_A_SECOND_LOOK": ("REFILL", {"FRONTS": 1, "FORGETS": 1}),
    "KEEPS_OVER_A_MARKER": ("FORGOTTEN", {"FRONTS": 1, "FORGETS": 1}),
    "BELIEVES_A_STRANGER": ("FORGOTTEN", {"FRONTS": 1, "FORGETS": 1, "RESTARTS": 1, "SILENCES": 0, "LAPSES": 0}),
    "SAYS_GONE_UNREACHED": ("FORGOTTEN", {"FRONTS": 1, "FORGETS": 1}),
    "NOTES_AFTERWARDS": ("FORGOTTEN", {"FRONTS": 1, "FORGETS": 1, "CRASHES": 1}),
    "RELEASES_A_TAKEOVER": ("ONCE", {"ATTEMPTS": 3, "RETRIES": 1}),
    "LEAVE_BY_AN_OLD_CLOCK": ("LEAVE", {"RETRIES": 1}),
    "SENDS_WHEN_OVERDUE": ("ONCE", {"WORDS": 1}),
    "LEAVES_DOUBTED_GRANTS": ("SETTLED", {"DOUBTS": 1}),
    "TAKING_BACK_BELIEVES_HINTS": ("SETTLED", {"ATTEMPTS": 3, "FRONTS": 1, "DOUBTS": 1}),
    "UNWRITTEN_RELEASE_IS_TOLD": ("NOT_EXECUTED", {"RETRIES": 1, "DOUBTS": 1}),
}

# What is not promised, and is broken indeed; docs/guarantees.md says so.
LIMITS: Mapping[str, tuple[str, Bounds]] = {
    "a failover of Postgres that loses acknowledged commits": ("ONCE", {"FAILOVERS": 1, "MUTANT": 8}),
    "a forgetting while another gateway sees another Redis": (
        "FORGOTTEN",
        {"FRONTS": 1, "FORGETS": 1, "RESTARTS": 1, "SPLIT": 1, "SILENCES": 0, "LAPSES": 0},
    ),
    "a Redis that evicts the marker of an erasure": (
        "FORGOTTEN",
        {"FRONTS": 1, "FORGETS": 1, "EVICTIONS": 1, "MARKERS": 1},
    ),
}


def numbers(file: str) -> dict[str, int]:
    """The names that a Promela file defines, with their numbers."""
    defined = re.findall(r"^#define (\w+) (\d+)\s+/\*", (SOURCES / file).read_text(), re.MULTILINE)
    return {name: int(number) for name, number in defined}


def aimed_at(promise: str, bounds: Bounds) -> Bounds:
    """A world in which only one promise is asked about; two calls where nothing else is said."""
    return plain(bounds) | {"ONLY": numbers("promises.pml")[promise]}


def plain(bounds: Bounds) -> Bounds:
    """The world of a mutant without it: two calls where nothing else is said."""
    return {"ATTEMPTS": 2} | MANY | bounds
