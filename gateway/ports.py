"""The seams to the outside world. Each docstring is a numbered law; every implementation sits the same tests.

The runner sees only these; nothing here names a library, a socket or a clock that ticks by itself.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, TypeAlias

from gateway.policies.callers import KnownCaller, Rate
from gateway.policies.reconciling import Question, Told, Untold
from gateway.policies.routing import Target
from gateway.policies.tokens import TokenFault
from gateway.protocol.dossier import GATEWAY
from gateway.protocol.fingerprint import Digester
from gateway.protocol.headers import Headers
from gateway.protocol.model import (
    Busy,
    Claim,
    Completed,
    Forgotten,
    Grant,
    Identity,
    Moved,
    Record,
    RecordId,
    Settled,
    Settlement,
    Verdict,
)
from gateway.protocol.observations import Observation
from gateway.protocol.spans import Span, TraceContext


@dataclass(frozen=True, slots=True)
class SweepCounts:
    """What one sweep did: leases found over, unknowns and answers that became tombstones, records forgotten."""

    lapsed: int = 0
    unknown_expired: int = 0
    answers_expired: int = 0
    forgotten: int = 0

    @property
    def total(self) -> int:
        """All of them together."""
        return self.lapsed + self.unknown_expired + self.answers_expired + self.forgotten


class Watch(Protocol):
    """One call's wait for a record that another call holds.

    W1. ``changed`` returns soon after the record was settled, by whatever process, since it was watched or ``changed``
        last returned. It may return without a change: it is a reason to claim again, never a verdict.
    W2. Those who wait cost the store no more than a look a second for each record and process.
    """

    async def changed(self, seconds: float) -> None:
        """Returns when the record may have changed, and after ``seconds`` at the latest; at once when closed."""
        ...

    def close(self) -> None:
        """Waits no longer; may be repeated."""
        ...


class Keeper(Protocol):
    """Whoever keeps answers beside a store, in this process, and lets go of them.

    K1. ``forgotten`` is called for every record that is forgotten: in this process before ``forget`` returns or raises;
        for one that another process had forgotten soon after that, while word comes.
    K2. ``heeds`` is called when word of other processes begins to come, and when it ends. Word is never owed: it may be
        lost with a connection whose end nobody saw yet, or with the process that was about to send it.
    """

    def forgotten(self, record_id: RecordId) -> None: ...

    def heeds(self, *, others: bool) -> None: ...


@dataclass(frozen=True, slots=True)
class Form:
    """A replayed answer as it went out, and what is told of it: its record, its route's name, its status."""

    id: RecordId
    route: str
    status: int
    data: bytes = field(repr=False)


class Forms(Protocol):
    """Answers in the form in which they went out, by a digest of the request in the form in which it came.

    A form stands for as long as its record is kept in this process, and ends with it (``Keeper``). Its bytes count as
    the record's do.
    """

    @property
    def any(self) -> bool:
        """Whether there is one at all."""
        ...

    def recall(self, request: bytes) -> Form | None: ...

    def remember(self, request: bytes, form: Form) -> None:
        """Nothing comes of it where the record is not kept, or there is no room beside it."""
        ...


class Calls(Protocol):
    """What a call needs of a store: ``Store``'s laws of claims and settlements."""

    async def claim(self, claim: Claim) -> Verdict: ...

    async def settle(self, grant: Grant, settlement: Settlement) -> Settled | Moved: ...

    async def watch(self, record_id: RecordId) -> Watch:
        """Word of the record's settlement from now on, or a slow look where none can come; it never fails.

        What was settled before is not told: claim again after it returned.
        """
        ...


class Store(Calls, Protocol):
    """Where records live; the authority that alone grants claims.

    S1. ``claim`` is one atomic step: of any number of claimants of one key exactly one hears ``Granted``, and the
        grant is durable before it is heard. Repeated with the same owner, it is the same claim.
    S2. Every verdict and every settlement is what ``protocol.claims`` rules on the stored record, at the store's clock.
    S3. ``settle`` repeated is harmless; carrying an old fence or another owner it changes nothing and says ``Moved``.
    S4. Whatever cannot be said for certain is ``StoreUnavailable``; a record that does not open is
        ``RecordUnreadable``, never absence.
    S5. Every method may be repeated by whoever called it, and then does no more than once.
    S6. ``sweep`` turns and purges what retention allows, nothing else; every verdict is the same before and after it,
        save that a purged key's fences begin anew (its owner tokens never come back).
    S7. ``forget`` is heard after the tombstone is durable, and by then the answer is erased. A copy elsewhere is gone
        too, or ``Forgotten.copies_gone`` is false, and it goes as soon as the front can be reached; asked again,
        ``forget`` tells how that stands. A front that only another gateway sees meanwhile hears of it with that one's
        sweep. Whoever ``follow``s is told (laws K1 and K2), and another process's at the latest ends what it keeps by
        itself. ``by`` and ``note`` are for its history (``protocol.dossier.Event``).
    """

    async def forget(
        self, record_id: RecordId, fence: int, by: str = GATEWAY, note: str = ""
    ) -> Forgotten | Moved | Busy: ...

    def follow(self, keeper: Keeper) -> None:
        """Tells ``keeper`` what is forgotten, until the store is closed."""
        ...

    async def look(self, record_id: RecordId) -> Record | None:
        """The record as stored, turned by time; for operators and tests."""
        ...

    async def sweep(self, limit: int) -> SweepCounts:
        """One batch of at most ``limit`` records a kind."""
        ...

    async def count(self) -> Mapping[str, int]:
        """Records by state: ``in-flight``, ``completed``, ``unknown``, ``released``, ``expired``."""
        ...

    async def digest_keys(self, configured: Sequence[bytes | None], *, accept_change: bool = False) -> Digester:
        """The secrets of every digest; ``None`` in the place of one is the secret that the store made and keeps (32
        bytes), or makes now. Records are made with the first; a call meets those that were made with any.

        ``StoreUnfit``, unless ``accept_change`` (then they take over, and no key used so far is recognised): a list
        that is further from the one before than law 14 of ``protocol.claims`` bears, or that lacks a secret under which
        records were made. The store keeps a check value of a configured secret, never the secret itself.
        """
        ...

    async def remember_key_space(self, namespace: str, settings: str, *, accept_change: bool) -> str | None:
        """Remembers the settings that form key identity in ``namespace``.

        Returns the earlier, different settings where there are any and ``accept_change`` is false; nothing is changed
        then.
        """
        ...

    async def ping(self) -> None:
        """Returns when the store can grant; raises ``StoreUnavailable`` otherwise."""
        ...

    async def close(self) -> None: ...


class Holdings(Protocol):
    """How many keys a caller holds.

    H1. ``held``: the records whose newest grant was for a holder with one of these digests (``model.Holder``), whatever
        state they are in, until a sweep purges them.
    """

    async def held(self, digests: Sequence[bytes]) -> int: ...

    async def look(self, record_id: RecordId) -> Record | None: ...


@dataclass(frozen=True, slots=True)
class Erasure:
    """A copy that is to be gone from every front. ``until``: from then on it has ended by itself, late clocks included.

    ``erased_in``: the incarnation of the front in which that was last seen to; ``None``: in none yet.
    """

    id: RecordId
    until: datetime
    erased_in: str | None = None


class Authority(Store, Protocol):
    """A store that may have fronts: it remembers what is to be gone from them for as long as a copy could live.

    E1. An erasure is noted, as durably as a grant, before ``forget`` turns a record that may have been copied. Where
        the record was not turned after all, it costs a copy, and nothing else.
    E2. ``erasures`` are all those, by id and end, whose ``erased_in`` is another than ``incarnation``; ``erasure`` is
        the last of one record.
    E3. ``note_erased`` repeated is harmless. Erasures that have ended are told no more, and go with a ``sweep``, which
        does not count them: it counts what happens to records.
    """

    async def erasures(self, incarnation: str, after: Erasure | None, limit: int) -> Sequence[Erasure]: ...

    async def erasure(self, record_id: RecordId) -> Erasure | None: ...

    async def note_erased(self, erasures: Sequence[Erasure], incarnation: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Hint:
    """A call with this identity was in flight when the hint was written: since ``age``, for ``rest`` at most.

    A claim repeated by its own ``owner`` is not busy: it is the call in flight (law 1).
    """

    identity: Identity
    owner: bytes
    age: timedelta
    rest: timedelta


class Front(Protocol):
    """Copies in front of the authority. It may answer; it never grants.

    F1. ``recall`` gives only what was put in for this very id, whole: a copy that does not open is none.
    F2. A hint never takes the place of a completed copy, and is gone after ``lifetime``.
    F3. A copy ends by itself when its answer is no longer replayed, by the front's clock.
    F4. Whatever the front cannot do is ``StoreUnavailable``. Nothing is tried twice, and nothing need be: losing a copy
        costs time, never a second call.
    F5. ``erase`` puts a marker in a copy's place, which stays until ``until``: meanwhile ``recall`` finds nothing, and
        no ``keep``, ``hint`` or ``drop`` changes it, however late it comes.
    F6. ``incarnation`` names the front that answered last, and another one wherever copies may be there that were
        erased: a server restored from an old dump, a replica that took over. ``None``: nothing was heard yet.
    F7. ``drop_older`` drops those of the copies that are not sealed by the key that seals now.
    """

    @property
    def incarnation(self) -> str | None: ...

    async def join(self, digester: Digester, *, accept_change: bool = False) -> None:
        """Takes the digest secrets, by which copies open, and this authority's side.

        The front of an authority with none of these secrets is ``StoreUnfit``, unless ``accept_change``: its copies
        open no more.
        """
        ...

    async def recall(self, record_id: RecordId) -> Completed | Hint | None: ...

    async def keep(self, record: Completed) -> None: ...

    async def hint(self, record_id: RecordId, hint: Hint, lifetime: timedelta) -> None: ...

    async def drop(self, record_id: RecordId) -> None: ...

    async def drop_older(self, ids: Sequence[RecordId]) -> None: ...

    async def erase(self, record_id: RecordId, until: datetime) -> None: ...

    async def ping(self) -> None: ...

    async def close(self) -> None: ...


Content: TypeAlias = Iterable[bytes] | AsyncIterator[bytes] | None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request as it goes upstream: end-to-end fields without ``Host`` and framing, which the hop adds.

    ``body``: whole (its length is sent), a stream (sent chunked, or by ``length`` where it is known), or nothing.
    """

    method: str
    target: bytes
    headers: Headers
    body: Content = None
    length: int | None = None


class Answer(Protocol):
    """An upstream's answer, its head read, its body perhaps not yet.

    A1. ``headers`` are as they came, hop-by-hop fields included, informational answers skipped.
    A2. ``whole`` returns the body, or ``None`` where it is longer than ``limit``; ``stream`` then gives it from its
        beginning.
    A3. A body cut short raises ``OutcomeUnknown``, never ends quietly.
    A4. ``close`` ends the answer; a connection that was not read to its end is never used again.
    A5. ``at_hand`` is the whole body where it has come with the head, which it does not wait for.
    """

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Headers: ...

    @property
    def length(self) -> int | None:
        """The declared length, ``0`` where the answer has no body, ``None`` where only its end will tell."""
        ...

    @property
    def length_unverified(self) -> bool:
        """Whether the answer ends with the connection, so that a cut one looks whole (RFC 9112, section 8)."""
        ...

    def at_hand(self) -> bytes | None: ...

    async def whole(self, limit: int) -> bytes | None: ...

    def stream(self) -> AsyncIterator[bytes]: ...

    def close(self) -> None: ...


class Upstream(Protocol):
    """The hop.

    U1. ``send`` writes one request at most once, on one connection; nothing below it ever sends again.
    U2. ``NotSent`` is raised only while not one byte was handed to the socket; after that every fault is
        ``OutcomeUnknown``, a reused connection that died included. The one exception is ``NotProcessed``: a protocol's
        own guarantee that nothing was processed, before any of an answer, where the target says that it is believed.
    U3. ``dispatch_by`` (monotonic seconds) is looked at last before the first byte; too late is ``NotSent``. Then
        ``on_dispatch`` is called, and the first byte follows: whoever cancels ``send`` knows by it what may have left.
    U4. Bytes after the answer, or before a request, end the connection and reach nobody.
    U5. Cancelling ``send`` closes its connection.
    """

    async def send(
        self,
        target: Target,
        request: Outgoing,
        *,
        dispatch_by: float | None = None,
        on_dispatch: Callable[[], None] | None = None,
    ) -> Answer: ...

    async def close(self) -> None: ...


class Inquirer(Protocol):
    """Asks an upstream what came of a call. It may be repeated: it only asks.

    A1. Whatever goes wrong is ``Untold``; an answer is ``Told`` only when it came whole, and is no longer than
        ``limit`` bytes.
    A2. It goes to the URL of the question alone: no redirect, no proxy but the route's, and no credential from
        elsewhere.
    A3. ``target`` is whose TLS settings, proxy and refused addresses count. A question's ``timeout`` bounds all of it.
    """

    async def ask(self, target: Target, question: Question, limit: int) -> Told | Untold: ...

    async def close(self) -> None: ...


class Keys(Protocol):
    """Whose key it is.

    K1. ``holder`` of a digest is the one caller who has that key now; a digest that two callers have is nobody's.
    K2. A key that was taken out of its file is nobody's ``ports.KEYS_SEEN`` later, and one that was put in is known
        then, while calls go on. A file that is gone holds no key; one that cannot be read is as it was.
    """

    def holder(self, digest: bytes) -> KnownCaller | None: ...


class Verifier(Protocol):
    """Whom a token names.

    V1. ``caller`` of a token is whom it names while it is good, by the issuer's keys as they are published; one that
        was judged before is judged again a minute later at the latest, and when keys change.
    V2. It never fails, and takes no longer than a second and its own computing: where the issuer's keys are not to be
        had, or too old, the token is ``UNVERIFIABLE``.
    """

    async def caller(self, token: bytes) -> KnownCaller | TokenFault: ...


# In seconds: how soon a change of a file of keys is seen.
KEYS_SEEN = 2.0


class Rates(Protocol):
    """How often something has happened to each.

    L1. ``admits`` counts one more and says whether that was within the rate; one too many is not counted. The count of
        two windows stands for the last one, so that it may be off by a part of it.
    L2. It never fails, and takes no longer than ``ports.RATE_PATIENCE``: what all gateways count together is counted
        by the process alone meanwhile.
    """

    async def admits(self, rate: Rate, name: str) -> bool: ...

    async def close(self) -> None: ...


# In seconds.
RATE_PATIENCE = 0.05


class Clock(Protocol):
    """Local deadlines. Never a party to what a record becomes: that clock is the store's."""

    def monotonic(self) -> float:
        """Seconds that only grow."""
        ...


class Observer(Protocol):
    """A sink for observations. It returns at once, and never raises."""

    def observe(self, observation: Observation) -> None: ...


class Trace(Protocol):
    """One piece of work that is recorded, from ``Tracer.begin`` on. Nothing here waits, and nothing raises.

    T1. ``context`` is the place of the whole; ``part`` makes a place for a part of it, to be told later or never.
    T2. A part is told once, when it has ended. ``begun`` and ``ended`` are monotonic seconds of the local clock.
    T3. ``end`` tells the whole; parts may come after it.
    """

    @property
    def context(self) -> TraceContext: ...

    def part(self) -> TraceContext: ...

    def tell(self, span: Span, context: TraceContext, begun: float, ended: float) -> None: ...

    def end(self, span: Span) -> None: ...


class Tracer(Protocol):
    """Decides what is recorded."""

    def begin(self, parent: TraceContext | None, kind: type[Span]) -> Trace | None:
        """``None``: this one is not. ``parent``: whose part it is, in another process."""
        ...
