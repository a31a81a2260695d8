"""A row as a record of the protocol, strictly: a row that is not wholly one of the five states does not open.

Knows the columns that each state must have. Refuses to know statements, and never takes a damaged row for an absent or
a released one (law 9).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Self, TypeAlias, TypeVar

from sqlalchemy import RowMapping

from gateway.errors import RecordUnreadable
from gateway.protocol.claims import as_of
from gateway.protocol.dossier import Event, turns
from gateway.protocol.model import (
    Completed,
    Expired,
    Identity,
    InFlight,
    NotKept,
    Record,
    RecordId,
    Released,
    Retention,
    StoredResponse,
    Unknown,
)
from gateway.stores.codec import Codec, read_recipe
from gateway.stores.sql import histories
from gateway.stores.sql.clock import duration, instant
from gateway.stores.sql.large import apart
from gateway.stores.sql.tables import State

Value = TypeVar("Value")
Row: TypeAlias = RowMapping


# What stands for an answer that is not opened.
_UNOPENED = NotKept(0)


@dataclass(frozen=True, slots=True)
class Stored:
    """A row, the record that it holds as it was written, and the authority's clock when it was read."""

    row: Row
    record: Record
    now: datetime

    @classmethod
    def of(cls, row: Row, codec: Codec | None = None) -> Self:
        """``RecordUnreadable`` where the row holds none; without a ``codec`` no answer is opened."""
        return cls(row, record_of(row, codec), instant(row["now"]))

    @property
    def turned(self) -> Record | None:
        """The record as time has turned it."""
        return as_of(self.record, self.now)

    @property
    def history(self) -> tuple[Event, ...]:
        """Everything that happened to it by now; ``RecordUnreadable`` where the row does not tell."""
        try:
            return *histories.history_of(self.row), *turns(self.record, self.now)
        except (ValueError, TypeError, OverflowError) as error:
            raise _damaged(self.record.id) from error


def record_of(row: Row, codec: Codec | None) -> Record:
    """The record that a row holds, as it was written; ``RecordUnreadable`` where it holds none."""
    record_id = RecordId(row["id"])
    try:
        return _READERS[State(row["state"])](record_id, row, codec)
    except (ValueError, TypeError, OverflowError) as error:
        raise _damaged(record_id) from error


def _damaged(record_id: RecordId) -> RecordUnreadable:
    return RecordUnreadable(f"record {str(record_id)[:12]} is damaged, or of a newer version")


def _in_flight(record_id: RecordId, row: Row, _: Codec | None) -> InFlight:
    return InFlight(
        id=record_id,
        fence=row["fence"],
        owner=row["owner"],
        identity=_identity(row),
        retention=Retention(
            response=duration(_there(row["response_ms"])),
            key=duration(_there(row["key_ms"])),
            unknown=duration(_there(row["unknown_ms"])),
        ),
        created_at=instant(_there(row["created_at"])),
        first_sent_at=instant(_there(row["first_sent_at"])),
        lease_until=instant(row["turns_at"]),
        taken_over=bool(_there(row["taken_over"])),
        asks=row["asks_with"] is not None,
    )


def _completed(record_id: RecordId, row: Row, codec: Codec | None) -> Completed | Expired:
    if codec is not None and row["turns_at"] <= row["now"]:
        # Its answer is told to nobody any more, and a sweep may drop it at any time: it is not opened.
        return Expired(record_id, row["fence"], _identity(row), instant(_there(row["forget_at"])))
    return Completed(
        id=record_id,
        fence=row["fence"],
        owner=row["owner"],
        identity=_identity(row),
        created_at=instant(_there(row["created_at"])),
        answer=_answer(record_id, row, codec) if codec else _UNOPENED,
        replay_until=instant(row["turns_at"]),
        forget_at=instant(_there(row["forget_at"])),
    )


def _answer(record_id: RecordId, row: Row, codec: Codec) -> StoredResponse | NotKept:
    head, body = _there(row["head"]), row["body"]
    return apart(len(body or b""), lambda: codec.decode(record_id, row["fence"], head, body))


def _unknown(record_id: RecordId, row: Row, _: Codec | None) -> Unknown:
    return Unknown(
        id=record_id,
        fence=row["fence"],
        owner=row["owner"],
        identity=_identity(row),
        created_at=instant(_there(row["created_at"])),
        first_sent_at=instant(_there(row["first_sent_at"])),
        since=instant(_there(row["since"])),
        reason=_there(row["reason"]),
        expire_at=instant(row["turns_at"]),
        forget_at=instant(_there(row["forget_at"])),
        taken_over=bool(_there(row["taken_over"])),
        asks_at=None if row["asks_at"] is None else instant(row["asks_at"]),
    )


def _released(record_id: RecordId, row: Row, _: Codec | None) -> Released:
    # A list leaves the answer out.
    if (row["recipe"], row["scope"], row["fingerprint"], row.get("head")) != (None, None, None, None):
        raise ValueError("a released record that remembers a request was never written so")
    return Released(record_id, row["fence"], row["owner"], instant(row["turns_at"]))


def _expired(record_id: RecordId, row: Row, _: Codec | None) -> Expired:
    return Expired(record_id, row["fence"], _identity(row), instant(row["turns_at"]))


_READERS = {
    State.IN_FLIGHT: _in_flight,
    State.COMPLETED: _completed,
    State.UNKNOWN: _unknown,
    State.RELEASED: _released,
    State.EXPIRED: _expired,
}


def _identity(row: Row) -> Identity:
    return Identity(read_recipe(_there(row["recipe"])), _there(row["scope"]), _there(row["fingerprint"]))


def _there(value: Value | None) -> Value:
    if value is None:
        raise ValueError("a column that this state needs is empty")
    return value
