"""The nouns of the law: who calls, which key, what is remembered of it.

Everything here is frozen, slotted and compared by value. It knows neither how a call arrived nor where records live.
Instants are aware ``datetime`` values of the authority's clock; durations are ``timedelta``.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from gateway.protocol.headers import Headers

# In bytes: how much of a record's id names the digest key.
KEY_NAME = 2


@dataclass(frozen=True, slots=True)
class RecordId:
    """The name of a digest key, 2 bytes, then HMAC-SHA256 under it over namespace and key, and the scope where callers
    are separate (law 10), cut to 30 bytes. So each record tells under which key it was made."""

    digest: bytes

    @property
    def made_with(self) -> bytes:
        """The name of the digest key under which the record, its scope and its fingerprint were made. 2 bytes."""
        return self.digest[:KEY_NAME]

    def __str__(self) -> str:
        return self.digest.hex()


class BodyForm(StrEnum):
    """How a request body enters its fingerprint."""

    RAW = "raw"
    JSON = "json"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How scope and fingerprint of a request are made. A record keeps its recipe and judges retries by it.

    ``exclude`` holds JSON Pointers (RFC 6901) left out of a ``json`` body; ``headers`` and ``scope`` hold lower-case
    field names, ``scope`` also ``:caller`` for the caller whom the gateway knows.
    """

    body: BodyForm = BodyForm.RAW
    exclude: tuple[str, ...] = ()
    headers: tuple[str, ...] = ("content-type",)
    scope: tuple[str, ...] = ("authorization", "x-api-key")
    algorithm: int = 1


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells one request from another under a recipe: two HMAC-SHA256 digests of 32 bytes, never the texts."""

    recipe: Recipe
    scope: bytes
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Retention:
    """How long things are remembered, each from the moment the one before it ends."""

    response: timedelta
    key: timedelta
    unknown: timedelta


class Origin(StrEnum):
    """Who made an answer."""

    UPSTREAM = "upstream"
    GATEWAY = "gateway"


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """An answer as every later call gets it. ``length_unverified``: it ended with the connection (RFC 9112, 6.3).

    ``trace``: trace id and span id of the call that got it, 24 bytes, where that call was traced (``protocol.spans``).
    """

    status: int
    headers: Headers
    body: bytes
    origin: Origin = Origin.UPSTREAM
    length_unverified: bool = False
    trace: bytes = b""


@dataclass(frozen=True, slots=True)
class NotKept:
    """The call was executed and answered with ``status``; the answer itself was not kept."""

    status: int


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose key it is, where the gateway knows who calls. ``name``: for people. ``digest``: what the keys of this
    caller are counted under, 16 bytes; empty where nobody counts them."""

    name: str
    digest: bytes = b""


@dataclass(frozen=True, slots=True)
class Claim:
    """A request for the right to send, once.

    ``owner`` is 16 random bytes, the same for every repetition of this one claim (law 1). ``identify`` makes the
    identity of this request under another recipe. ``takeover``: under ``on_unknown: retry``, how long after the first
    sending the upstream itself still deduplicates; ``None`` never takes over. ``route``: its name, for people.
    ``key_id``: where callers are kept apart, the look-up digest without the caller, by which people find it.
    ``values``: under ``on_unknown: reconcile``, what the upstream is asked with should the outcome become unknown.
    ``holder``: the caller whom the gateway knows, for people and for their quota; nothing is decided on it here.
    ``others``: this very claim under each other digest key that is listed, by which earlier records know it (law 14).
    """

    id: RecordId
    owner: bytes
    identity: Identity
    lease: timedelta
    retention: Retention
    identify: Callable[[Recipe], Identity] = field(compare=False)
    takeover: timedelta | None = None
    route: str = ""
    key_id: RecordId | None = None
    values: bytes | None = field(default=None, repr=False)
    holder: Holder | None = None
    others: tuple["Claim", ...] = ()

    @property
    def ids(self) -> tuple[RecordId, ...]:
        """Where a record of this key may be, under each listed digest key; the one that a new record gets first."""
        return (self.id, *(other.id for other in self.others))

    def under(self, record_id: RecordId) -> "Claim":
        """This claim under the digest key that made ``record_id``, which is one of ``ids``."""
        return next((other for other in self.others if other.id == record_id), self)


@dataclass(frozen=True, slots=True)
class Grant:
    """The right to send one request: the newest fence of its key, and the owner token that settles it."""

    id: RecordId
    fence: int
    owner: bytes
    retention: Retention
    taken_over: bool = False


@dataclass(frozen=True, slots=True)
class InFlight:
    """Granted and not settled. Its lease over, it is Unknown (law 3). ``asks``: a reconciler asks about it then."""

    id: RecordId
    fence: int
    owner: bytes
    identity: Identity
    retention: Retention
    created_at: datetime
    first_sent_at: datetime
    lease_until: datetime
    taken_over: bool = False
    asks: bool = False


@dataclass(frozen=True, slots=True)
class Completed:
    """Answered. ``replay_until`` and ``forget_at`` were fixed at settlement (law 9)."""

    id: RecordId
    fence: int
    owner: bytes
    identity: Identity
    created_at: datetime
    answer: StoredResponse | NotKept
    replay_until: datetime
    forget_at: datetime


@dataclass(frozen=True, slots=True)
class Unknown:
    """Sent, perhaps executed, not answered. ``expire_at`` makes it a tombstone that lasts until ``forget_at``;
    ``asks_at``: when a reconciler asks the upstream next, or ``None`` where none is at work."""

    id: RecordId
    fence: int
    owner: bytes
    identity: Identity
    created_at: datetime
    first_sent_at: datetime
    since: datetime
    reason: str
    expire_at: datetime
    forget_at: datetime
    taken_over: bool = False
    asks_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Released:
    """Free again: nothing was executed. Keeps the fence (law 2), no scope and no fingerprint (law 5)."""

    id: RecordId
    fence: int
    owner: bytes
    forget_at: datetime


@dataclass(frozen=True, slots=True)
class Expired:
    """A tombstone: the key is remembered, its answer is not."""

    id: RecordId
    fence: int
    identity: Identity
    forget_at: datetime


Record = InFlight | Completed | Unknown | Released | Expired


# What a settlement says of the one call that a grant allowed.


@dataclass(frozen=True, slots=True)
class Complete:
    """It was executed, and this is its answer."""

    answer: StoredResponse | NotKept


@dataclass(frozen=True, slots=True)
class Release:
    """It was not executed: not one byte was sent, or the answer proves it by policy (law 5)."""


@dataclass(frozen=True, slots=True)
class MarkUnknown:
    """Nobody knows; ``reason`` is a short token such as ``timeout`` or ``reset``."""

    reason: str


Settlement = Complete | Release | MarkUnknown


@dataclass(frozen=True, slots=True)
class Settled:
    """The settlement holds. ``replay_until``: until when a completed answer is replayed."""

    replay_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Moved:
    """The record has moved on: a newer fence, an operator's word, or the end of its retention. Nothing changed."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """No answer is left in the authority, and none comes back. ``copies_gone``: nor in a front that was reached."""

    copies_gone: bool = True


# What a claim hears.


@dataclass(frozen=True, slots=True)
class Granted:
    """Send, once, under this grant."""

    grant: Grant


@dataclass(frozen=True, slots=True)
class Busy:
    """Another call with this key is in flight since ``age``; its lease ends in ``rest``.

    ``owner``: whose it is, for copies of this verdict; who may repeat the claim is no part of what a caller hears.
    ``id``: the record's, for whoever waits for it; ``None``: the claim's own.
    """

    age: timedelta
    rest: timedelta
    owner: bytes = field(default=b"", compare=False, repr=False)
    id: RecordId | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The key is known with another request."""


@dataclass(frozen=True, slots=True)
class CallerChanged:
    """The key is known with other scope values."""


@dataclass(frozen=True, slots=True)
class Undecided:
    """The outcome of the call with this key is unknown since ``since``; the upstream is asked ``asks_in`` from now.

    ``running``: its caller was answered before the call itself ended, so that its own answer may still come.
    """

    since: datetime
    asks_in: timedelta | None = None
    running: Busy | None = None


@dataclass(frozen=True, slots=True)
class Replay:
    """The first call's answer, replayed ``until`` then.

    ``known`` is the record that was judged and ``rest`` how long it was to be replayed at that moment, where the clock
    of the judgement was the authority's: for copies of this verdict, and no part of what a caller hears.
    """

    response: StoredResponse
    until: datetime
    known: Completed | None = field(default=None, compare=False, repr=False)
    rest: timedelta = field(default=timedelta(0), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class AnswerNotKept:
    """Executed; its answer was not kept."""

    status: int


@dataclass(frozen=True, slots=True)
class KeyExpired:
    """The key is remembered, its answer no more."""


Refusal = Busy | Mismatch | CallerChanged | Undecided | Replay | AnswerNotKept | KeyExpired
Verdict = Granted | Refusal
