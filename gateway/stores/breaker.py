"""A circuit breaker: keeps something that does not answer from costing every call its time.

Pure: instants are monotonic seconds, handed in. Refuses to know what it guards.

Closed, everything is let through. After ``tolerance`` faults in a row it opens, and lets nothing through for ``pause``;
then one trial at a time, until one succeeds and closes it.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class Breaker:
    """``permits``, then exactly one of ``succeeded`` and ``failed`` for whatever was permitted."""

    tolerance: int = 3
    pause: float = 1.0
    _faults: int = 0
    _shut_until: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether the last word on the other side was that it does not answer."""
        return self._shut_until is not None

    def permits(self, now: float) -> bool:
        """Whether to try. A trial puts off the next one, so that others do not wait behind it."""
        if self._shut_until is None:
            return True
        if now < self._shut_until:
            return False
        self._shut_until = now + self.pause
        return True

    def succeeded(self) -> bool:
        """Whether this closed it."""
        was_open = self.is_open
        self._faults, self._shut_until = 0, None
        return was_open

    def failed(self, now: float) -> bool:
        """Whether this opened it."""
        self._faults += 1
        if self._faults < self.tolerance:
            return False
        opened = not self.is_open
        self.trip(now)
        return opened

    def trip(self, now: float) -> None:
        """Opens it at once, because it is known not to answer."""
        self._shut_until = now + self.pause
