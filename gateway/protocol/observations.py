"""What is worth counting or logging, as values. Names of metrics and log lines are telemetry's business.

Those that happen on every call are named tuples, which cost a tenth of a frozen class to make. ``record`` is everywhere
the beginning of a record's id, never of a key; ``trace`` is a call's W3C ``traceparent``.
"""

from dataclasses import dataclass
from typing import NamedTuple

from gateway.protocol.model import RecordId


class Answered(NamedTuple):
    """A call was answered. ``outcome`` is the value of ``Idempotency-Status``, or the problem's name where the answer
    has none.

    ``seconds``: from the moment when the request was whole; ``upstream``: of these, how long the upstream was asked;
    ``added``: of these, what was neither that nor a wait for another call. ``None``: the call was turned away first.
    ``told``: another observation of this call has said already what was the matter.
    """

    route: str
    outcome: str
    status: int
    seconds: float | None = None
    upstream: float = 0.0
    added: float | None = None
    id: RecordId | None = None
    trace: bytes = b""
    told: bool = False


class Sent(NamedTuple):
    """An upstream was asked, and how long that took: to the whole answer, or to the head of one that is passed on.
    ``result``: ``answered``, ``lost`` or ``not-sent``."""

    route: str
    result: str
    seconds: float


@dataclass(frozen=True, slots=True)
class OutcomeLost:
    """A sent call has no complete answer."""

    route: str
    reason: str
    record: str
    trace: bytes = b""


@dataclass(frozen=True, slots=True)
class LateAnswer:
    """An answer came after the caller had been told that the outcome is unknown."""

    route: str
    record: str
    trace: bytes = b""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A call begins to wait for another one with its key."""

    route: str


@dataclass(frozen=True, slots=True)
class SettlementMoved:
    """A settlement was refused: the record had moved on."""

    route: str
    record: str
    trace: bytes = b""


@dataclass(frozen=True, slots=True)
class SettlementSlow:
    """The caller was answered before its outcome was written; writing goes on."""

    route: str
    record: str
    trace: bytes = b""


@dataclass(frozen=True, slots=True)
class NotSent:
    """Nothing was sent, or taken up where it was; ``dispatch-deadline`` among the reasons is a claim whose time a pause
    ate. ``detail`` is for the operator: it may name addresses and files."""

    route: str
    reason: str
    detail: str
    record: str = ""
    trace: bytes = b""


@dataclass(frozen=True, slots=True)
class PolicyChoice:
    """An operator's choice to send again, or unguarded, took effect (contract, section 1)."""

    route: str
    choice: str


@dataclass(frozen=True, slots=True)
class NotAskable:
    """A call whose outcome nobody could ask about: ``place`` of its route's templates it does not fill."""

    route: str
    place: str


@dataclass(frozen=True, slots=True)
class Inquired:
    """The upstream was asked about an unknown call. ``result``: ``found``, ``not-found``, or why it learned nothing."""

    route: str
    result: str
    record: str


@dataclass(frozen=True, slots=True)
class Reconciled:
    """A reconciler decided an unknown call: ``verdict`` is ``settled`` or ``released``; ``note`` names the rule."""

    route: str
    verdict: str
    note: str
    record: str


@dataclass(frozen=True, slots=True)
class StoreFault:
    """The store did not answer, or a record did not open."""

    operation: str
    detail: str
    trace: bytes = b""


class StoreAsked(NamedTuple):
    """The authority was asked by a call: to ``claim`` or to ``settle``. ``store``: ``postgres``, ``sqlite``, …"""

    store: str
    operation: str
    seconds: float


class Committed(NamedTuple):
    """So many claims and settlements went to the authority together, in one commit."""

    store: str
    size: int


@dataclass(frozen=True, slots=True)
class GrantTakenBack:
    """A claim was granted after its caller had been told that nothing was sent; it was given back, unused."""

    route: str
    record: str


@dataclass(frozen=True, slots=True)
class Shed:
    """A call, or a connection, was turned away before anything was asked of a store. ``reason``: what there were too
    many of: ``connections``, ``calls``, ``route`` (its calls), ``caller`` (its calls on a route), ``quota`` (its calls
    on all routes)."""

    route: str
    reason: str


@dataclass(frozen=True, slots=True)
class CallerAdmitted:
    """A known caller was let in; ``caller`` is a configured name."""

    caller: str


@dataclass(frozen=True, slots=True)
class CallerRefused:
    """A call was turned away for whose it is. ``caller``: as above, empty where nobody is known. ``reason``: ``none``,
    ``several``, ``unknown`` (its credential), ``token-`` and what is wrong with a token, ``route``, ``rate``
    (of calls), ``refusals`` (of those it met), ``stored-keys`` (of those that the store holds)."""

    route: str
    caller: str
    reason: str


@dataclass(frozen=True, slots=True)
class KeysRead:
    """A file of callers' keys has changed and counts from now on."""

    file: str
    keys: int


@dataclass(frozen=True, slots=True)
class KeysUnreadable:
    """A file of callers' keys cannot be used; ``detail`` tells why, and what counts meanwhile."""

    file: str
    detail: str


@dataclass(frozen=True, slots=True)
class SecretRead:
    """The file of a setting has changed, and what it holds counts from now on."""

    setting: str


@dataclass(frozen=True, slots=True)
class SecretUnreadable:
    """The file of a setting cannot be used; what it held before counts meanwhile. ``detail`` has nothing of it."""

    setting: str
    detail: str


@dataclass(frozen=True, slots=True)
class TokenKeysRead:
    """The keys of the issuer of tokens have changed and count from now on; so many of them."""

    keys: int


@dataclass(frozen=True, slots=True)
class TokenKeysUnread:
    """The keys of the issuer of tokens cannot be read; those that were read before count on for a while."""

    detail: str


@dataclass(frozen=True, slots=True)
class RatesAlone:
    """The Redis where rates are counted for all gateways does not answer; this process counts its own meanwhile."""

    detail: str


@dataclass(frozen=True, slots=True)
class RatesTogether:
    """Rates are counted for all gateways again."""


@dataclass(frozen=True, slots=True)
class CountedAlone:
    """One call was counted by this process alone, though it was to be counted for all gateways."""


@dataclass(frozen=True, slots=True)
class TooSlow:
    """A caller was given up: at its first byte (``silent``), a ``head``, a ``body``, or reading an ``answer``."""

    at: str


@dataclass(frozen=True, slots=True)
class InternalFault:
    """A fault of the gateway's own ended an exchange: its claim becomes unknown by its lease."""

    route: str
    fault: BaseException


@dataclass(frozen=True, slots=True)
class WorkerEnded:
    """A process that served callers is gone, with this exit code (negative: by a signal), or could not be started
    (``None``); another takes its place."""

    code: int | None
    detail: str


@dataclass(frozen=True, slots=True)
class Swept:
    """One sweep's work; ``seconds``: how long it took."""

    lapsed: int
    unknown_expired: int
    answers_expired: int
    forgotten: int
    seconds: float = 0.0

    @property
    def total(self) -> int:
        """How many records it turned or removed."""
        return self.lapsed + self.unknown_expired + self.answers_expired + self.forgotten


class FrontAsked(NamedTuple):
    """The store in front was asked for a copy. ``result``: ``answered``, ``nothing``, ``fault``, or ``skipped``:
    nobody was asked, because it does not answer."""

    result: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class FrontLost:
    """The store in front does not answer; the authority is asked for everything meanwhile."""

    detail: str


@dataclass(frozen=True, slots=True)
class FrontBack:
    """The store in front answers again."""


@dataclass(frozen=True, slots=True)
class RecentAnswered:
    """A call was answered from what this process had replayed lately, and no store was asked."""


@dataclass(frozen=True, slots=True)
class RecentKept:
    """A replayed answer is kept in the process, and takes so many bytes."""

    size: int


@dataclass(frozen=True, slots=True)
class RecentDropped:
    """It is kept no more. ``reason``: ``age``, ``room``, ``forgotten``, ``renewed``, or ``unheard``: word of other
    processes began or ended to come."""

    reason: str
    size: int


@dataclass(frozen=True, slots=True)
class OperatorVerb:
    """An operator used a verb, or was turned away. ``verb``: ``release``, ``resolve``, ``forget``, ``reseal``,
    ``dry-reseal``, ``read`` or ``sign-in``. ``outcome``: ``done``, or why nothing was. ``by``: whose word, empty where
    nobody knows."""

    verb: str
    outcome: str
    by: str
    record: str


@dataclass(frozen=True, slots=True)
class ExportLost:
    """What is measured does not reach its collector: ``traces`` or ``metrics``. Told once, until it does again."""

    signal: str
    detail: str


@dataclass(frozen=True, slots=True)
class ExportBack:
    """What is measured reaches its collector again."""

    signal: str


Observation = (
    Answered
    | Sent
    | OutcomeLost
    | LateAnswer
    | Waiting
    | SettlementMoved
    | SettlementSlow
    | NotSent
    | PolicyChoice
    | NotAskable
    | Inquired
    | Reconciled
    | StoreFault
    | StoreAsked
    | Committed
    | GrantTakenBack
    | Shed
    | CallerAdmitted
    | CallerRefused
    | KeysRead
    | KeysUnreadable
    | SecretRead
    | SecretUnreadable
    | TokenKeysRead
    | TokenKeysUnread
    | RatesAlone
    | RatesTogether
    | CountedAlone
    | TooSlow
    | InternalFault
    | WorkerEnded
    | Swept
    | FrontAsked
    | FrontLost
    | FrontBack
    | RecentAnswered
    | RecentKept
    | RecentDropped
    | OperatorVerb
    | ExportLost
    | ExportBack
)
