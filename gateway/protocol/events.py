"""Facts that come in to the law of one request. Each is told once, by whoever saw it happen."""

from dataclasses import dataclass

from gateway.protocol.headers import Headers
from gateway.protocol.model import Moved, Settled, Verdict


@dataclass(frozen=True, slots=True)
class ClaimJudged:
    """The store has ruled on the claim."""

    verdict: Verdict


@dataclass(frozen=True, slots=True)
class MayHaveChanged:
    """The record that is waited for may be another by now."""


@dataclass(frozen=True, slots=True)
class WaitOver:
    """The call has waited as long as its route lets one wait."""


@dataclass(frozen=True, slots=True)
class StoreDown:
    """The store gave no answer to the claim that can be relied on."""


@dataclass(frozen=True, slots=True)
class RecordDamaged:
    """A record is there and does not open."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The upstream answered. ``body`` is ``None`` where it is not to be kept and will be streamed."""

    status: int
    headers: Headers
    body: bytes | None
    length_unverified: bool = False


@dataclass(frozen=True, slots=True)
class NothingSent:
    """Not one byte left, or the upstream guarantees that it took up none; ``reason`` is a short token such as
    ``refused``."""

    reason: str


@dataclass(frozen=True, slots=True)
class CallLost:
    """Bytes may have left, and no complete answer will come; ``reason`` is a short token."""

    reason: str
    timed_out: bool


@dataclass(frozen=True, slots=True)
class ResponseOverdue:
    """``timeout.response`` has passed for a call that was sent; it goes on. One that was not sent by then is given up
    instead: ``NothingSent``."""


@dataclass(frozen=True, slots=True)
class SettlementWritten:
    """The store has taken the settlement, or said that the record has moved on."""

    answer: Settled | Moved


@dataclass(frozen=True, slots=True)
class SettlementOverdue:
    """The settlement is not written in the time that a caller is kept waiting for it; writing goes on."""


@dataclass(frozen=True, slots=True)
class CallerGone:
    """The downstream hung up."""


@dataclass(frozen=True, slots=True)
class GraceOver:
    """The server shuts down and waits no longer. A call that was not sent by then is ``NothingSent`` instead."""


Event = (
    ClaimJudged
    | MayHaveChanged
    | WaitOver
    | StoreDown
    | RecordDamaged
    | Answered
    | NothingSent
    | CallLost
    | ResponseOverdue
    | SettlementWritten
    | SettlementOverdue
    | CallerGone
    | GraceOver
)
