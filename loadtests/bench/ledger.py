"""Which keys the API has seen, and which of them more than once, however late the second time comes.

A key is a prefix, a hyphen and a number, and there are millions of them, so each takes a byte. Others are kept whole.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

# What is written for a call that has no key.
NONE = b"-"


@dataclass(frozen=True, slots=True)
class Called:
    """What was called since the last look. By prefix: keys that came for the first time, and calls too many."""

    all: int
    without_key: int
    executed: Mapping[str, int]
    too_many: Mapping[str, int]


@dataclass
class Ledger:
    """Every key so far."""

    _numbers: dict[bytes, bytearray] = field(default_factory=dict[bytes, bytearray])
    _others: set[bytes] = field(default_factory=set[bytes])

    def entered(self, lines: Sequence[bytes]) -> Called:
        """Enters these calls."""
        executed, too_many = Counter[str](), Counter[str]()
        without = 0
        for line in lines:
            if line == NONE:
                without += 1
                continue
            prefix, _, number = line.rpartition(b"-")
            (executed if self._is_new(line, prefix, number) else too_many)[prefix.decode()] += 1
        return Called(len(lines), without, executed, too_many)

    def _is_new(self, key: bytes, prefix: bytes, number: bytes) -> bool:
        if not number.isdigit():
            new = key not in self._others
            self._others.add(key)
            return new
        seen, place = self._numbers.setdefault(prefix, bytearray()), int(number)
        if place >= len(seen):
            seen.extend(bytes(place + 1 - len(seen)))
        new = not seen[place]
        seen[place] = 1
        return new
