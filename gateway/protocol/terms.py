"""The part of a policy that the law of one request asks: what a status proves, and what an unknown leads to."""

from dataclasses import dataclass
from enum import StrEnum


class OnUnknown(StrEnum):
    """What a later call of an unknown key meets (contract, section 5)."""

    HOLD = "hold"
    RETRY = "retry"
    RECONCILE = "reconcile"
    FAIL = "fail"


class OnConflict(StrEnum):
    """What a call meets while another one with its key is in flight."""

    REJECT = "reject"
    WAIT = "wait"


class OnStoreDown(StrEnum):
    """What a call meets when no store answers."""

    REFUSE = "refuse"
    PASS = "pass"  # noqa: S105 - not a password


NOT_EXECUTED = frozenset({307, 308, 401, 421, 425, 429})

# Unless an operator says otherwise, with ``retry`` and ``reconcile``, which can learn the truth: an upstream that
# failed may have acted before it did.
UNKNOWN_WHERE_ASKED = frozenset({500, 502, 503, 504})

# A second attempt that hears one of these proves nothing about the first one.
_SAYS_NOTHING_OF_THE_FIRST = frozenset({409, 425, 429})


class Meaning(StrEnum):
    """What an answer says of the call."""

    EXECUTED = "executed"
    NOT_EXECUTED = "not-executed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Terms:
    """What the exchange asks of a policy."""

    not_executed: frozenset[int] = NOT_EXECUTED
    unknown: frozenset[int] = frozenset()
    on_conflict: OnConflict = OnConflict.REJECT
    on_unknown: OnUnknown = OnUnknown.HOLD
    on_store_down: OnStoreDown = OnStoreDown.REFUSE

    def meaning(self, status: int, *, taken_over: bool) -> Meaning:
        """What an upstream's ``status`` proves. A second attempt proves less (contract, section 5, ``retry``)."""
        if taken_over and (status in _SAYS_NOTHING_OF_THE_FIRST or status >= 500 or status in self.not_executed):
            return Meaning.UNKNOWN
        if status in self.not_executed:
            return Meaning.NOT_EXECUTED
        if status in self.unknown and self.on_unknown is not OnUnknown.FAIL:
            return Meaning.UNKNOWN
        return Meaning.EXECUTED
