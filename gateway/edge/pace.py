"""How slow a caller may be: what it is at, for how long, and how many bytes have moved meanwhile.

Looked at every so often and not by a timer a call, which every call would pay for. A deadline is therefore kept a
moment late and never early. Refuses to know sockets: it is told what a connection is at.
"""

from gateway.policies.downstream import Patience

# How often connections are looked at, in seconds: at most and at least.
_SELDOM, _OFTEN = 1.0, 0.02


class Spell:
    """One thing that goes on, for ``waited`` seconds so far, and the bytes that move meanwhile."""

    __slots__ = ("_from", "_mark", "_what", "waited")

    def __init__(self) -> None:
        self._what: object = None
        self._from = 0.0
        self._mark = 0
        self.waited = 0.0

    def go_on(self, what: object, moved: int, elapsed: float) -> None:
        """``what`` has gone on for ``elapsed`` seconds more, or begins at ``moved`` bytes; ``None`` is nothing."""
        if what != self._what:
            self._what, self._mark, self._from, self.waited = what, moved, 0.0, 0.0
        elif what is not None:
            self.waited += elapsed

    def slower(self, rate: int, seconds: float, moved: int) -> bool:
        """Whether fewer than ``rate`` bytes a second have moved over the last ``seconds``, looked at once they are
        over: what came fast at first is no credit for later."""
        if self.waited - self._from <= seconds:
            return False
        slow = moved - self._mark < rate * seconds
        self._from, self._mark = self.waited, moved
        return slow


class Pace:
    """The patience with every connection, in seconds and bytes a second; ``every``: how often to look."""

    __slots__ = ("answer", "body", "every", "head", "idle", "least_rate", "total")

    def __init__(self, patience: Patience) -> None:
        self.head = patience.head.total_seconds()
        self.body = patience.body.total_seconds()
        self.total = patience.total.total_seconds()
        self.answer = patience.answer.total_seconds()
        self.idle = patience.idle.total_seconds()
        self.least_rate = patience.least_rate
        shortest = min(self.head, self.body, self.total, self.answer, self.idle)
        self.every = max(_OFTEN, min(_SELDOM, shortest / 4))
