"""Fields that a route adds of its own, as they stand: often a credential, which is exchanged while calls go on.

Known by object: whoever holds it sees each exchange at its next look. Refuses to know who exchanges, and when.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.protocol.headers import Headers


@dataclass(slots=True)
class Added:
    """``now``: the fields. ``files``: by name, of those whose values come from files, which may change."""

    now: Headers = field(default=(), repr=False)
    files: Mapping[bytes, str] = field(default_factory=dict[bytes, str])

    def value(self, name: bytes) -> bytes:
        """What the field says now."""
        return next(value for known, value in self.now if known == name)

    def exchange(self, name: bytes, value: bytes) -> None:
        """What it says from now on; the others stand, and so does their order."""
        self.now = tuple((known, value if known == name else old) for known, old in self.now)
