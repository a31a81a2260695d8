"""The schema of a Postgres store: which one it has, and how it gets the newest, when somebody says so.

Knows whose tables they are. Refuses to migrate at a start: of two versions of the gateway that run side by side, the
one that starts must not change what the other one works with. A migration is one transaction under a lock of its own.
"""

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from gateway.errors import StoreUnavailable, StoreUnfit
from gateway.stores.sql import postgres_url, revisions
from gateway.stores.sql.chain import Chain
from gateway.stores.sql.phase import Phase
from gateway.stores.sql.revisions import ABSENT, VERSION_TABLE, Schema
from gateway.stores.sql.schema_words import SchemaWords
from gateway.stores.sql.tables import APPLICATION_ID, MARK, metadata

# How long a migration waits for a table that somebody else is at. Whoever wants that table then waits behind it, claims
# too: not longer than an operation's two seconds. And longer than the server takes to call off a vacuum in the way,
# which it does after ``deadlock_timeout``, a second.
_PATIENCE = "1500ms"
_LOCK_NOT_AVAILABLE = "55P03"

_OURS = {VERSION_TABLE, *metadata.tables}
_TABLES = text(
    "SELECT relname::text AS name, obj_description(oid, 'pg_class') AS mark FROM pg_class "
    "WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND relname::text = ANY(:ours)"
)


def words(url: str) -> SchemaWords:
    """How people are told about the schema at ``url``. Others may be at work on it, of the version before."""
    return SchemaWords("the schema", postgres_url.shown(url), "database", Phase.BEFORE)


def look(connection: Connection, chain: Chain) -> Schema:
    """The schema; ``StoreUnfit`` where tables of these names are somebody else's."""
    found: dict[str, str | None] = {row.name: row.mark for row in connection.execute(_TABLES, {"ours": sorted(_OURS)})}
    if not found:
        return ABSENT
    if found.get("records") != MARK or VERSION_TABLE not in found:
        raise StoreUnfit(
            f"the database has a table {min(found)} that belongs to another application: choose another database"
        )
    return revisions.schema_of(connection, chain)


def migrate(connection: Connection, chain: Chain, phase: Phase | None, url: str) -> Schema:
    """Runs what ``phase`` may, in the caller's one transaction; the schema as it is then.

    Safe to repeat, and for two at once: the second waits for the first, and finds it all done. The lock ends with the
    transaction, so that it is sound behind PgBouncer too, and so do the settings.
    """
    try:
        _wait_at_most(connection, "0")
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": APPLICATION_ID})
        _wait_at_most(connection, _PATIENCE)
        return revisions.migrate(connection, chain, phase, look(connection, chain), words(url))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
            raise
        raise StoreUnavailable(
            "somebody else's transaction is at a table that the migration changes, and the gateways must not wait for "
            "both: nothing was changed; run this again when that transaction is over"
        ) from error


def _wait_at_most(connection: Connection, time: str) -> None:
    connection.execute(text("SELECT set_config('lock_timeout', :time, true)"), {"time": time})
