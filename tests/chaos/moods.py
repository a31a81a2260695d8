"""How the upstream takes each request: a seeded plan, the same for the same seed, key and turn.

Knows the ways in which servers behave and misbehave. Refuses to know sockets.
"""

import random
from dataclasses import dataclass
from enum import StrEnum


class Mood(StrEnum):
    """What follows a request. All but ``TURN_AWAY`` and ``UNREAD`` execute it, or may have."""

    ANSWER = "answers"
    CLOSE_DELIMITED = "answers, ended by the connection"
    CHUNKED = "answers in chunks"
    DRIP = "answers drop by drop"
    LATE = "answers after the caller was told"
    FAIL = "executes, and answers 500"
    HANG = "executes, and hangs"
    RESET = "executes, and resets"
    CLOSE = "executes, and closes"
    CUT = "executes, and cuts its answer"
    EXTRA = "answers, and says more than it was asked"
    TURN_AWAY = "turns away"
    UNREAD = "resets before it has read"


# In percent of all requests.
_SHARES = {
    Mood.CLOSE_DELIMITED: 4,
    Mood.CHUNKED: 10,
    Mood.DRIP: 4,
    Mood.LATE: 2,
    Mood.FAIL: 3,
    Mood.HANG: 2,
    Mood.RESET: 3,
    Mood.CLOSE: 3,
    Mood.CUT: 4,
    Mood.EXTRA: 4,
    Mood.TURN_AWAY: 5,
    Mood.UNREAD: 3,
}
_SHARES[Mood.ANSWER] = 100 - sum(_SHARES.values())

SMALL, LARGE = 40, 60_000


@dataclass(frozen=True, slots=True)
class Plan:
    """A mood and its measures: bytes of the answer's body, and where in the whole answer it is cut (from 0 to 1)."""

    mood: Mood
    size: int
    cut: float


def plan(seed: int, key: str, turn: int) -> Plan:
    """What follows the ``turn``-th request with this key."""
    chance = random.Random(f"{seed}/{key}/{turn}")
    (mood,) = chance.choices(list(_SHARES), list(_SHARES.values()))
    size = LARGE if chance.random() < 0.05 else chance.randint(SMALL, 2_000)
    return Plan(mood, size, chance.random())
