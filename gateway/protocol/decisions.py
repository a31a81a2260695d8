"""The law of an operator's word, and of a reconciler's, on one record (it goes on from ``claims``).

12. A decision takes effect on an Unknown alone, while its fence is the newest. It makes a new fence under an owner of
    its own, so that nothing settles by the earlier ones any more. Repeated with the same owner, it is the same one.
13. ``Release`` says that it was not executed, ``Complete`` that this was the answer. A decision on a call that was
    taken over speaks of every attempt.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from gateway.protocol.claims import Ruling, as_of, busy
from gateway.protocol.model import (
    Busy,
    Complete,
    Completed,
    Expired,
    InFlight,
    Moved,
    Record,
    RecordId,
    Release,
    Released,
    Retention,
    Unknown,
)


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody decides of the record that was shown with ``fence``. ``owner``: 16 random bytes, the same for every
    repetition. ``by`` and ``note`` are for its history (``dossier.Event``)."""

    id: RecordId
    fence: int
    owner: bytes
    word: Complete | Release
    retention: Retention
    by: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Decided:
    """The decision holds, under its own ``fence``; ``replay_until``: until when an answer is replayed."""

    fence: int
    replay_until: datetime | None = None


def decide(record: Record | None, decision: Decision, now: datetime) -> Ruling[Decided | Moved | Busy]:
    """What ``decision`` makes of ``record`` at ``now`` (laws 12 and 13)."""
    current = as_of(record, now)
    if current is None or isinstance(current, Expired):
        return Ruling(Moved(), record)
    if (current.fence, current.owner) == (decision.fence + 1, decision.owner):
        return Ruling(_repeated(current, decision), record)
    if current.fence != decision.fence:
        return Ruling(Moved(), record)
    match current:
        case InFlight():
            return Ruling(busy(current, now), record)
        case Unknown():
            return _written(current, decision, now)
        case Completed() | Released():
            return Ruling(Moved(), record)
        case _:
            assert_never(current)


def _repeated(current: InFlight | Completed | Unknown | Released, decision: Decision) -> Decided | Moved:
    match current:
        case Completed() if isinstance(decision.word, Complete):
            return Decided(current.fence, current.replay_until)
        case Released() if isinstance(decision.word, Release):
            return Decided(current.fence)
        case _:
            return Moved()


def _written(current: Unknown, decision: Decision, now: datetime) -> Ruling[Decided | Moved | Busy]:
    fence, retention = decision.fence + 1, decision.retention
    match decision.word:
        case Release():
            return Ruling(Decided(fence), Released(current.id, fence, decision.owner, now + retention.key))
        case Complete(answer=answer):
            replay_until = now + retention.response
            completed = Completed(
                id=current.id,
                fence=fence,
                owner=decision.owner,
                identity=current.identity,
                created_at=current.created_at,
                answer=answer,
                replay_until=replay_until,
                forget_at=replay_until + retention.key,
            )
            return Ruling(Decided(fence, replay_until), completed)
        case _:
            assert_never(decision.word)
