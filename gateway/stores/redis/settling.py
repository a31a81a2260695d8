"""A settlement: a compare-and-set that takes effect in one trip, or a ruling on what is there instead.

Knows which states, as time has turned them, let each settlement take effect. Where it did not,
``protocol.claims.settle`` rules on the record that the script found, and says that it is already so or has moved on.
"""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import assert_never

from gateway.errors import StoreUnavailable
from gateway.protocol import claims
from gateway.protocol.dossier import GATEWAY
from gateway.protocol.model import (
    Complete,
    Grant,
    InFlight,
    MarkUnknown,
    Moved,
    Record,
    Release,
    Settled,
    Settlement,
    Unknown,
)
from gateway.stores.codec import Codec
from gateway.stores.large import aside, kept_by
from gateway.stores.redis import scripts
from gateway.stores.redis.histories import said_by
from gateway.stores.redis.layout import State, instant, key_of, milliseconds, stamp
from gateway.stores.redis.records import read, write_answer
from gateway.stores.redis.trips import Ask, Word, run

_ROUNDS = 4
_MOST_OF_A_REASON = 255
_FIRST = State.IN_FLIGHT + State.UNKNOWN
_TAKEN_OVER = State.IN_FLIGHT_TAKEN_OVER + State.UNKNOWN_TAKEN_OVER


@dataclass(frozen=True, slots=True)
class _Write:
    """What the script is told: from which states, to which, for how long, holding what; and what its history says."""

    of: str
    to: State
    lasts: timedelta
    rest: bytes
    note: str = ""

    def words(self, grant: Grant) -> tuple[Word, ...]:
        times = milliseconds(self.lasts), milliseconds(grant.retention.key)
        return stamp(grant.fence, grant.owner), self.of, self.to, *times, self.rest, b"", *said_by(GATEWAY, self.note)


async def settle(ask: Ask, codec: Codec, grant: Grant, settlement: Settlement) -> Settled | Moved:
    """What the settlement came to (laws 2, 4, 5)."""
    taken_over, size = grant.taken_over, kept_by(settlement)
    for _ in range(_ROUNDS):
        write = await aside(size, partial(_write, codec, grant, settlement, taken_over=taken_over))
        script = scripts.FREE if write.to is State.RELEASED else scripts.SETTLE
        told = await run(ask, script, key_of(grant.id), *write.words(grant))
        if isinstance(told[1], int):
            return Settled(instant(told[1])) if isinstance(settlement, Complete) else Settled()
        now = instant(told[0])
        record = None if told[1] is None else read(grant.id, told[1], now, codec)
        ruling = claims.settle(record, grant, settlement, now)
        if ruling.record is record or ruling.record == claims.as_of(record, now):
            return ruling.answer
        taken_over = _is_taken_over(record)
    raise StoreUnavailable("the record changed too often to say what it is")


def _is_taken_over(record: Record | None) -> bool:
    """As the record has it: a grant that an operator repeats may not know."""
    return isinstance(record, InFlight | Unknown) and record.taken_over


def _write(codec: Codec, grant: Grant, settlement: Settlement, *, taken_over: bool) -> _Write:
    retention = grant.retention
    match settlement:
        case Complete(answer=answer):
            sealed = write_answer(codec, grant.id, grant.fence, answer)
            return _Write(_FIRST + _TAKEN_OVER, State.COMPLETED, retention.response, sealed)
        case Release() if not taken_over:
            return _Write(_FIRST, State.RELEASED, retention.key, b"")
        case Release():
            return _unknown(grant, claims.TAKEOVER_NOT_EXECUTED, "", taken_over=True)
        case MarkUnknown(reason=reason):
            return _unknown(grant, reason, reason, taken_over=taken_over)
        case _:
            assert_never(settlement)


def _unknown(grant: Grant, reason: str, note: str, *, taken_over: bool) -> _Write:
    of = State.IN_FLIGHT_TAKEN_OVER if taken_over else State.IN_FLIGHT
    to = State.UNKNOWN_TAKEN_OVER if taken_over else State.UNKNOWN
    return _Write(of, to, grant.retention.unknown, reason.encode()[:_MOST_OF_A_REASON], note)
