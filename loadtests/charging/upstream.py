"""The upstream behind the customers: it logs each charge before it answers, loses some answers, and tells its counts.

``GET /executions`` answers the number of executions of each key, as JSON.
"""

import json
import random
from collections import Counter
from collections.abc import Mapping

from tests.upstream import Logged, Play, Upstream, answer

PATH = "/executions"
LOST, TURNED_AWAY = 0.15, 0.05


class Charges:
    """How it answers, by the key alone; every execution says its number, so that a second one shows."""

    def __init__(self, upstream: Upstream) -> None:
        self._executions: Counter[str] = Counter()
        self._arrived: Counter[str] = Counter()
        upstream.by_key = self._play

    @property
    def executions(self) -> Mapping[str, int]:
        """By key."""
        return self._executions

    def _play(self, logged: Logged, number: int) -> Play:
        if logged.line.startswith(f"GET {PATH} "):
            return Play(answer(200, json.dumps(self._executions).encode(), ("Content-Type", "application/json")))
        self._arrived[logged.key] += 1
        mood = random.Random(logged.key).random()
        if mood < TURNED_AWAY and self._arrived[logged.key] == 1:
            return Play(answer(429, b"later", ("Retry-After", "1")), then="keep")
        self._executions[logged.key] += 1
        if TURNED_AWAY < mood < TURNED_AWAY + LOST:
            return Play(then="reset")
        return Play(answer(201, b'{"charge": %d}' % number, ("Content-Type", "application/json")), then="keep")
