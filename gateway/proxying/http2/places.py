"""The places of one connection: how many calls it carries, and whether it takes one more.

Knows that a call which is about to be written has its place already. Refuses to know sockets and streams.
"""

from collections.abc import Sized

# A lost connection loses every call on it, so even an upstream that would take more gets no more at once.
MOST_CALLS = 32


class Places:
    """``calls`` are those that were written and have not ended. ``closing``: it takes no more, and ends with them.
    ``allowed``: how many at once, 0 until the upstream has said how many it bears."""

    __slots__ = ("_calls", "_promised", "allowed", "closing")

    def __init__(self, calls: Sized) -> None:
        self.allowed = 0
        self.closing = False
        self._calls = calls
        self._promised = 0

    @property
    def taken(self) -> int:
        """How many calls it carries, or is about to."""
        return len(self._calls) + self._promised

    @property
    def free(self) -> bool:
        """Whether it takes one more."""
        return not self.closing and self.taken < self.allowed

    def promise(self) -> None:
        """Keeps a place for a call that is about to be written; ``fulfil`` follows when it is, or will not be."""
        self._promised += 1

    def fulfil(self) -> None:
        """What was promised is among the calls now, or given back."""
        self._promised -= 1
