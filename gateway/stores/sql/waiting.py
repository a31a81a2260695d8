"""Word of settlements, from the process that settles to those that wait, through the database; word of forgetting too.

Knows the mark that whoever waits leaves on a record in flight, and the notification that whoever settles it sends for
that mark: without anybody waiting nothing is notified, and nothing is written. Refuses to know connections, and who
waits. SQLite carries no word; there a settlement is looked for.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, Text, Update, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY

from gateway.protocol.model import RecordId
from gateway.stores.sql.tables import State, records

# One for all records of a database, so that a gateway listens once. The payload is a record's id in hexadecimal, behind
# a word where the record was not settled, but forgotten.
CHANNEL = "idempotency_gateway"
FORGOTTEN = "forgotten "

_row = records.c

# Whoever waits next finds the mark, and writes nothing.
_MARK: Update = (
    update(records)
    .where(_row.id == bindparam("of_id"), _row.state == int(State.IN_FLIGHT), _row.waited.is_(None))
    .values(waited=1)
)
_WORD: Select[Any] = select(func.pg_notify(CHANNEL, func.unnest(bindparam("ids", type_=ARRAY(Text)))))


def mark(connection: Connection, record_id: RecordId) -> None:
    """Asks for word of the record's settlement, where it is in flight."""
    connection.execute(_MARK, {"of_id": record_id.digest})


def send_word(connection: Connection, settled: Sequence[bytes]) -> None:
    """Tells of the records with these ids, if any.

    In a statement of its own, after the commits that it tells of: a commit that carries word holds up every other such
    commit of the whole server until it is on the disk, and with the standby.
    """
    if settled:
        connection.execute(_WORD, {"ids": [record_id.hex() for record_id in settled]})


def send_forgotten(connection: Connection, record_id: RecordId) -> None:
    """Tells of a record that is forgotten, as above; a file tells nobody."""
    if connection.dialect.name == "postgresql":
        connection.execute(_WORD, {"ids": [FORGOTTEN + record_id.digest.hex()]})


def forgotten_by(payload: str) -> RecordId | None:
    """The record that a notification says was forgotten."""
    return told_by(payload.removeprefix(FORGOTTEN)) if payload.startswith(FORGOTTEN) else None


def told_by(payload: str) -> RecordId | None:
    """The record that a notification tells of; the channel is anybody's, so a payload may be anything."""
    try:
        digest = bytes.fromhex(payload)
    except ValueError:
        return None
    return RecordId(digest) if len(digest) == 32 else None
