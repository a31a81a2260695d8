"""Whether a database can grant: it writes what a grant writes, and keeps none of it.

Knows that a database may take small changes and yet have no room for one row more, on a full disk or beyond a quota.
Refuses to know who asks, and what is said of it.
"""

import os
from collections.abc import Mapping

from sqlalchemy import Connection, bindparam, insert

from gateway.stores.sql import facts
from gateway.stores.sql.tables import State, records

# A row as long as a claim's, in flight and with the least that one has.
_GRANT = insert(records).values(
    id=bindparam("new_id"),
    owner=bindparam("new_owner"),
    scope=bindparam("new_scope"),
    fingerprint=bindparam("new_fingerprint"),
    recipe=" " * 128,
    route=" " * 16,
    state=State.IN_FLIGHT,
    fence=1,
    turns_at=0,
)

# What a statement is only tried within: SQLite's work is in a transaction already, that of Postgres in none.
_TRIED: Mapping[str, tuple[str, str]] = {
    "sqlite": ("SAVEPOINT tried", "ROLLBACK TO tried"),
    "postgresql": ("BEGIN", "ROLLBACK"),
}


def ping(connection: Connection) -> None:
    """Tries a grant of a key that nobody has, which no other connection ever sees; then commits a small change."""
    begin, undo = _TRIED[connection.dialect.name]
    connection.exec_driver_sql(begin)
    lengths = {"new_id": 33, "new_owner": 16, "new_scope": 32, "new_fingerprint": 32}
    connection.execute(_GRANT, {name: os.urandom(length) for name, length in lengths.items()})
    connection.exec_driver_sql(undo)
    facts.ping(connection)
