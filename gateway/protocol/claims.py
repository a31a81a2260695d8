"""The law of one record, which every store obeys.

1.  A claim is one atomic step in the authority: of any number of claimants of one key exactly one is granted. A claim
    repeated with the same owner token is the same claim.
2.  Every grant has a fence larger than every earlier one of its key, and an owner token. A settlement carries both and
    takes effect only while they are the newest; a refused one is a value.
3.  An in-flight record whose lease is over is Unknown. Nobody is granted it by the passing of time.
4.  A late ``Complete`` with the newest fence settles an Unknown.
5.  ``Release`` of a grant that was taken over from Unknown leads back to Unknown. A released record remembers neither
    scope nor fingerprint.
6.  Completed never changes, save by being forgotten.
7.  Scope, then fingerprint, are checked before anything else about a record is told, in flight included.
8.  ``now`` is the authority's own clock.
9.  Deadlines are fixed when a record is settled; only settled records are purged; an Unknown that outlives its
    retention becomes a tombstone first.
10. Scope and fingerprint are judged by the recipe stored in the record.
11. Forgetting turns Completed and Unknown into their tombstones at once, deadlines and fence as they were; what is in
    flight is not forgotten. No settlement undoes it.
14. Where several digest keys are listed, a claim meets the record of its key under whichever of them it was made, and
    is judged, and granted, under that one; a new record is made under the first. Two lists that share their first key,
    or are the same in another order, never both grant one key.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar, assert_never

from gateway.protocol.model import (
    AnswerNotKept,
    Busy,
    CallerChanged,
    Claim,
    Complete,
    Completed,
    Expired,
    Forgotten,
    Grant,
    Granted,
    Identity,
    InFlight,
    KeyExpired,
    MarkUnknown,
    Mismatch,
    Moved,
    NotKept,
    Record,
    Refusal,
    Release,
    Released,
    Replay,
    Settled,
    Settlement,
    Undecided,
    Unknown,
    Verdict,
)

Answer = TypeVar("Answer", covariant=True)  # noqa: PLC0105 - a ruling only gives it

# Of a call whose caller was answered while it went on.
RESPONSE_TIMEOUT = "response-timeout"

# Reasons that the law itself gives; the others come from whoever saw the call end.
LEASE_OVER = "lease-over"
TAKEOVER_NOT_EXECUTED = "takeover-not-executed"


def as_of(record: Record | None, now: datetime) -> Record | None:
    """What the passing of time has made of a record; ``None`` once it may be forgotten (laws 3 and 9)."""
    match record:
        case InFlight() if record.lease_until <= now:
            return as_of(_lapsed(record), now)
        case Unknown() if record.expire_at <= now:
            return as_of(_tombstone(record), now)
        case Completed() if record.replay_until <= now:
            return as_of(_tombstone(record), now)
        case Released() | Expired() if record.forget_at <= now:
            return None
        case _:
            return record


def _lapsed(record: InFlight) -> Unknown:
    expire_at = record.lease_until + record.retention.unknown
    return Unknown(
        id=record.id,
        fence=record.fence,
        owner=record.owner,
        identity=record.identity,
        created_at=record.created_at,
        first_sent_at=record.first_sent_at,
        since=record.lease_until,
        reason=LEASE_OVER,
        expire_at=expire_at,
        forget_at=expire_at + record.retention.key,
        taken_over=record.taken_over,
        asks_at=record.lease_until if record.asks else None,
    )


def _tombstone(record: Completed | Unknown) -> Expired:
    return Expired(record.id, record.fence, record.identity, record.forget_at)


def judge(record: Record | None, claim: Claim, now: datetime) -> Verdict:
    """What ``claim`` hears of ``record`` at ``now``. A verdict ``Granted`` still has to be written, atomically."""
    current = as_of(record, now)
    # A record that time has forgotten still stands where it stood.
    if claim.others and record is not None:
        claim = claim.under(record.id)
    if current is None or isinstance(current, Released):
        return Granted(_grant(claim, record.fence + 1 if record else 1))
    if isinstance(current, InFlight) and current.owner == claim.owner:
        return Granted(_grant(claim, current.fence, taken_over=current.taken_over))
    if stranger := stranger_to(claim, current.identity):
        return stranger
    if isinstance(current, Unknown) and claim.takeover is not None and now < current.first_sent_at + claim.takeover:
        return Granted(_grant(claim, current.fence + 1, taken_over=True))
    return _refusal(current, claim, now)


def stranger_to(claim: Claim, known: Identity) -> Mismatch | CallerChanged | None:
    """How ``claim`` differs from what is ``known`` under its recipe (laws 7 and 10); ``None`` for the same request."""
    own = claim.identity if claim.identity.recipe == known.recipe else claim.identify(known.recipe)
    if own.scope != known.scope:
        return CallerChanged()
    if own.fingerprint != known.fingerprint:
        return Mismatch()
    return None


def _refusal(record: InFlight | Unknown | Completed | Expired, claim: Claim, now: datetime) -> Refusal:
    match record:
        case InFlight():
            return busy(record, now)
        case Unknown():
            asks_in = None if record.asks_at is None else max(timedelta(0), record.asks_at - now)
            return Undecided(record.since, asks_in, _running(record, claim, now))
        case Completed():
            if isinstance(record.answer, NotKept):
                return AnswerNotKept(record.answer.status)
            return Replay(record.answer, record.replay_until, record, record.replay_until - now)
        case Expired():
            return KeyExpired()
        case _:
            assert_never(record)


def _running(record: Unknown, claim: Claim, now: datetime) -> Busy | None:
    """The call that made ``record`` unknown, while it may run: an unknown keeps no lease, but its route gives one."""
    rest = record.created_at + claim.lease - now
    if record.reason != RESPONSE_TIMEOUT or rest <= timedelta(0):
        return None
    return Busy(now - record.created_at, rest, record.owner)


def busy(record: InFlight, now: datetime) -> Busy:
    """What anybody else hears of a call in flight."""
    return Busy(now - record.created_at, record.lease_until - now, record.owner, record.id)


def _grant(claim: Claim, fence: int, *, taken_over: bool = False) -> Grant:
    return Grant(claim.id, fence, claim.owner, claim.retention, taken_over)


def granted(record: Record | None, claim: Claim, grant: Grant, now: datetime) -> InFlight:
    """The record that a grant writes. A take-over keeps the moment of the first sending."""
    if claim.others:
        claim = claim.under(grant.id)
    first_sent_at = record.first_sent_at if isinstance(record, Unknown | InFlight) and grant.taken_over else now
    return InFlight(
        id=claim.id,
        fence=grant.fence,
        owner=grant.owner,
        identity=claim.identity,
        retention=claim.retention,
        created_at=now,
        first_sent_at=first_sent_at,
        lease_until=now + claim.lease,
        taken_over=grant.taken_over,
        asks=claim.values is not None,
    )


@dataclass(frozen=True, slots=True)
class Ruling(Generic[Answer]):
    """What is answered, and the record as it stands then."""

    answer: Answer
    record: Record | None


def settle(record: Record | None, grant: Grant, settlement: Settlement, now: datetime) -> Ruling[Settled | Moved]:
    """What ``settlement`` under ``grant`` makes of ``record`` at ``now`` (laws 2, 4, 5, 6)."""
    current = as_of(record, now)
    if current is None or isinstance(current, Expired) or (current.fence, current.owner) != (grant.fence, grant.owner):
        return Ruling(Moved(), record)
    match current:
        case InFlight() | Unknown():
            return _open(current, grant, settlement, now)
        case Completed():
            same = isinstance(settlement, Complete)
            return Ruling(Settled(current.replay_until) if same else Moved(), record)
        case Released():
            return Ruling(Settled() if isinstance(settlement, Release) else Moved(), record)
        case _:
            assert_never(current)


def forget(record: Record | None, fence: int, now: datetime) -> Ruling[Forgotten | Moved | Busy]:
    """What forgetting makes of ``record`` at ``now``, while ``fence`` is its newest (law 11).

    The ruling's tombstone is to be written even where time alone has made one: what is stored may hold the answer yet.
    """
    current = as_of(record, now)
    if current is None or current.fence != fence:
        return Ruling(Moved(), record)
    match current:
        case InFlight():
            return Ruling(busy(current, now), record)
        case Completed() | Unknown():
            return Ruling(Forgotten(), _tombstone(current))
        case Released() | Expired():
            # Nothing of the call is in it.
            return Ruling(Forgotten(), current)
        case _:
            assert_never(current)


def _open(current: InFlight | Unknown, grant: Grant, settlement: Settlement, now: datetime) -> Ruling[Settled]:
    match settlement:
        case Complete(answer=answer):
            replay_until = now + grant.retention.response
            completed = Completed(
                id=current.id,
                fence=current.fence,
                owner=current.owner,
                identity=current.identity,
                created_at=current.created_at,
                answer=answer,
                replay_until=replay_until,
                forget_at=replay_until + grant.retention.key,
            )
            return Ruling(Settled(replay_until), completed)
        case Release() if not current.taken_over:
            released = Released(current.id, current.fence, current.owner, now + grant.retention.key)
            return Ruling(Settled(), released)
        case Release():
            return Ruling(Settled(), _unknown(current, grant, TAKEOVER_NOT_EXECUTED, now))
        case MarkUnknown(reason=reason):
            return Ruling(Settled(), _unknown(current, grant, reason, now))
        case _:
            assert_never(settlement)


def _unknown(current: InFlight | Unknown, grant: Grant, reason: str, now: datetime) -> Unknown:
    if isinstance(current, Unknown):
        return current
    expire_at = now + grant.retention.unknown
    return Unknown(
        id=current.id,
        fence=current.fence,
        owner=current.owner,
        identity=current.identity,
        created_at=current.created_at,
        first_sent_at=current.first_sent_at,
        since=now,
        reason=reason,
        expire_at=expire_at,
        forget_at=expire_at + grant.retention.key,
        taken_over=current.taken_over,
        asks_at=now if current.asks else None,
    )
