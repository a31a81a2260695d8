"""An API that can be asked what it did: charges by a reference of the merchant's, each executed and listed.

Knows what really happened, whatever was answered. A mood tells what follows a charge; without one it is executed and
answered. On paths that begin with ``/retry`` it recognises a charge that it has executed, as an idempotent API does.
"""

import json
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from tests.upstream import Logged, Play, Upstream, answer


@dataclass(frozen=True, slots=True)
class Mood:
    """Whether a charge is executed, and what is done then."""

    executes: bool
    then: Play


@dataclass
class Ledger:
    """``charged``: how often each reference was, ``sent``: how often it arrived. ``down``: questions are answered so,
    while it is set, or with ``answers`` in turn. ``moods`` are for the next charges, whatever they are; ``mood_of`` for
    the first one of a reference."""

    upstream: Upstream
    moods: deque[Mood] = field(default_factory=deque)
    mood_of: dict[str, Mood] = field(default_factory=dict)
    charged: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)
    asked: list[Logged] = field(default_factory=list)
    down: Play | None = None
    answers: Iterator[Play] | None = None
    changed: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        self.upstream.by_key = self._play

    def executed_then(self, play: Play) -> None:
        """The next charge is executed, and this is all that the caller gets."""
        self.moods.append(Mood(True, play))

    def lost_then(self, play: Play) -> None:
        """The next charge is not executed, and nobody says so."""
        self.moods.append(Mood(False, play))

    def wait_for_questions(self, number: int) -> None:
        """Returns when as many have been asked in all."""
        self._wait(lambda: len(self.asked) >= number)

    def wait_for_charges(self, number: int) -> None:
        """Returns when as many have arrived in all."""
        self._wait(lambda: self.sent.total() >= number)

    def _wait(self, happened: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(happened, timeout=30), "nobody called"

    def receipt(self, reference: str) -> bytes:
        """What a charge is answered with, and what a list shows of it."""
        return b'{"id": "ch_%s", "reference": "%s", "amount": 12.50}' % (reference.encode(), reference.encode())

    def _play(self, logged: Logged, _: int) -> Play:
        return self._asked(logged) if logged.line.startswith("GET ") else self._charge(logged)

    def _charge(self, logged: Logged) -> Play:
        reference = json.loads(logged.body)["reference"]
        mood = self.moods.popleft() if self.moods else self.mood_of.pop(reference, None)
        known = logged.line.startswith("POST /retry") and self.charged[reference]
        with self.changed:
            self.sent[reference] += 1
            if not known and (mood is None or mood.executes):
                self.charged[reference] += 1
            self.changed.notify_all()
        return mood.then if mood is not None else Play(answer(201, self.receipt(reference)), then="keep")

    def _asked(self, logged: Logged) -> Play:
        with self.changed:
            self.asked.append(logged)
            self.changed.notify_all()
        if self.down is not None:
            return self.down
        if self.answers is not None:
            return next(self.answers)
        query = parse_qs(urlsplit(logged.line.split(" ")[1]).query)
        (reference,) = query["reference"]
        found = [self.receipt(reference)] if self.charged[reference] else []
        body = b'{"data": [%s], "has_more": false}' % b", ".join(found)
        return Play(answer(200, body, ("Content-Type", "application/json")), then="keep")


def order(reference: str) -> bytes:
    """A charge as a caller sends it."""
    return json.dumps({"reference": reference, "amount": "12.50"}).encode()
