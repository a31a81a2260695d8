"""So many a second, and a count of what was left out.

Pure: instants are monotonic seconds, handed in. Refuses to know what it counts.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class Budget:
    """``most`` in each second."""

    most: int
    _second: int = -1
    _taken: int = 0
    _left_out: int = 0

    def takes(self, now: float) -> bool:
        """Whether there is room for one more."""
        second = int(now)
        if second != self._second:
            self._second, self._taken = second, 0
        self._taken += 1
        if self._taken <= self.most:
            return True
        self._left_out += 1
        return False

    def left_out(self) -> int:
        """How many found no room since this was last asked."""
        number, self._left_out = self._left_out, 0
        return number
