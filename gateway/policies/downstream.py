"""What an operator allows those who call: how slow they may be, and how many there may be at once.

Values alone; the clocks and the counts are the edge's.
"""

from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a caller may take. ``head``: from its first byte to the end of a request's head, and a new connection's
    silence. ``body``, ``answer``: the time over which ``least_rate`` (bytes a second) is measured, again and again.
    ``total``: a body altogether. ``idle``: between two calls."""

    head: timedelta = timedelta(seconds=10)
    body: timedelta = timedelta(seconds=20)
    total: timedelta = timedelta(hours=1)
    answer: timedelta = timedelta(seconds=20)
    idle: timedelta = timedelta(seconds=75)
    least_rate: int = 1024


@dataclass(frozen=True, slots=True)
class Downstream:
    """What all callers together may take of one gateway."""

    patience: Patience = field(default_factory=Patience)
    max_connections: int = 8192
    max_calls: int = 4096


@dataclass(frozen=True, slots=True)
class CallLimits:
    """Calls in flight on one route: in all (``None``: as many as the gateway takes), and for each caller."""

    most: int | None = None
    per_caller: int = 1024
