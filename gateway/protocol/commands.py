"""Effects that the law of one request asks for. At most one of a step awaits anything; replies only hand over."""

from dataclasses import dataclass
from datetime import datetime

from gateway.protocol.headers import Headers
from gateway.protocol.model import Grant, Settlement, StoredResponse
from gateway.protocol.outcomes import Outcome


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the store for the right to send, again, by the same claim."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait until the record may have changed, or no longer."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send the guarded request, once, under this grant."""

    grant: Grant


@dataclass(frozen=True, slots=True)
class SendUnguarded:
    """Send without a claim: the operator chose ``on_store_down: pass``."""


@dataclass(frozen=True, slots=True)
class Settle:
    """Write the settlement, and go on writing until the store has taken it."""

    grant: Grant
    settlement: Settlement


@dataclass(frozen=True, slots=True)
class Streamed:
    """The head of an answer whose body is passed on as it comes."""

    status: int
    headers: Headers


@dataclass(frozen=True, slots=True)
class Reply:
    """What the caller gets, marks apart. ``recorded`` is false where the outcome is not (yet) written. ``again``: the
    call was sent although an earlier one with its key may have been executed (``on_unknown: retry``)."""

    outcome: Outcome | None
    response: StoredResponse | Streamed
    expires: datetime | None = None
    recorded: bool = True
    again: bool = False

    def until(self, expires: datetime | None) -> "Reply":
        """The same, where it is known until when it is replayed."""
        return Reply(self.outcome, self.response, expires, self.recorded, self.again)


Command = Ask | Wait | Send | SendUnguarded | Settle | Reply
