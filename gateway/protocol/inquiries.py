"""What a reconciler asks the upstream about: an unknown call, and how often that was done.

Knows only what lies in a record. What is asked, and what an answer means, is the policy's.
"""

from dataclasses import dataclass, field
from datetime import timedelta

from gateway.protocol.model import RecordId


@dataclass(frozen=True, slots=True)
class Inquiry:
    """An unknown call that one worker may ask about, until its lease of the work is over.

    ``fence``: the record's, for the decision. ``taken``: 16 random bytes that are this taking's own. ``values``: what
    the claim left for it, opened; bytes that only the policy understands. ``age``: since when the outcome is unknown.
    ``asks``: how often the upstream was asked before, ``absent``: how often in a row it knew nothing of the call.
    """

    id: RecordId
    fence: int
    taken: bytes
    route: str
    values: bytes = field(repr=False)
    age: timedelta
    asks: int
    absent: int


@dataclass(frozen=True, slots=True)
class Asked:
    """Asked once more, without a verdict: how often in a row the upstream knew nothing, and when to ask again."""

    absent: int
    again_in: timedelta
