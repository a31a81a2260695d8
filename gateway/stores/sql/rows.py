"""A row as a record of the protocol, strictly: a row that is not wholly one of the five states does not open.

Knows the columns that each state must have. Refuses to know statements, and never takes a damaged row for an absent or
a released one (law 9).
"""

from datetime import datetime
from typing import TypeAlias, TypeVar

from sqlalchemy import RowMapping

from gateway.errors import RecordUnreadable
from gateway.protocol.model import (
    Completed,
    Expired,
    Identity,
    InFlight,
    Record,
    RecordId,
    Released,
    Retention,
    Unknown,
)
from gateway.stores.codec import Codec, read_recipe
from gateway.stores.sql.clock import duration, instant
from gateway.stores.sql.tables import State

Value = TypeVar("Value")
Row: TypeAlias = RowMapping


def record_of(row: Row, codec: Codec) -> Record:
    """The record that a row holds, as it was written; ``RecordUnreadable`` where it holds none."""
    record_id = RecordId(row["id"])
    try:
        return _READERS[State(row["state"])](record_id, row, codec)
    except (ValueError, TypeError, OverflowError) as error:
        raise RecordUnreadable(f"record {str(record_id)[:12]} is damaged, or of a newer version") from error


def now_of(row: Row) -> datetime:
    """The authority's clock when the row was read."""
    return instant(row["now"])


def _in_flight(record_id: RecordId, row: Row, _: Codec) -> InFlight:
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
    )


def _completed(record_id: RecordId, row: Row, codec: Codec) -> Completed | Expired:
    if row["turns_at"] <= row["now"]:
        # Its answer is told to nobody any more, and a sweep may drop it at any time: it is not opened.
        return Expired(record_id, row["fence"], _identity(row), instant(_there(row["forget_at"])))
    return Completed(
        id=record_id,
        fence=row["fence"],
        owner=row["owner"],
        identity=_identity(row),
        created_at=instant(_there(row["created_at"])),
        answer=codec.decode(record_id, row["fence"], _there(row["head"]), row["body"]),
        replay_until=instant(row["turns_at"]),
        forget_at=instant(_there(row["forget_at"])),
    )


def _unknown(record_id: RecordId, row: Row, _: Codec) -> Unknown:
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
    )


def _released(record_id: RecordId, row: Row, _: Codec) -> Released:
    if (row["recipe"], row["scope"], row["fingerprint"], row["head"]) != (None, None, None, None):
        raise ValueError("a released record that remembers a request was never written so")
    return Released(record_id, row["fence"], row["owner"], instant(row["turns_at"]))


def _expired(record_id: RecordId, row: Row, _: Codec) -> Expired:
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
