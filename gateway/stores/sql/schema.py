"""The schema of a SQLite store: which one it has, and how it gets the newest.

Knows whose file it is. Refuses to open a file of another application; what a revision is, ``revisions`` knows.
"""

from pathlib import Path

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, inspect

from gateway.errors import StoreUnfit
from gateway.stores.sql import files, revisions
from gateway.stores.sql.chain import OWN, Chain
from gateway.stores.sql.faults import opening
from gateway.stores.sql.phase import Phase
from gateway.stores.sql.revisions import ABSENT, VERSION_TABLE, Schema, SchemaState
from gateway.stores.sql.schema_words import SchemaWords
from gateway.stores.sql.tables import APPLICATION_ID

_MIGRATION_PATIENCE = 30.0


def words(location: str | Path) -> SchemaWords:
    """How people are told about the schema of a file. Who keeps one stops its gateway to start the next version."""
    path = files.path_of(location)
    return SchemaWords(f"the schema of {path}", f"sqlite:///{path}", "file", None)


def schema_state(location: str | Path, chain: Chain = OWN) -> SchemaState:
    """The state of the store at a path or ``sqlite:///FILE``; ``StoreUnfit`` where it is no gateway's store."""
    path = files.path_of(location)
    if not path.exists():
        return SchemaState.ABSENT
    files.prepare(path)
    with opening(path), _engine(path, "BEGIN").connect() as connection:
        return _look(connection, chain).state


def migrate(location: str | Path, phase: Phase | None = None, chain: Chain = OWN) -> Schema:
    """Runs what ``phase`` may; the schema as it is then. Safe to repeat, and for two at once."""
    path = files.path_of(location)
    files.prepare(path)
    with opening(path), _engine(path, "BEGIN EXCLUSIVE").begin() as connection:
        # Asked under the write lock: whoever came first has done it all.
        return revisions.migrate(connection, chain, phase, _look(connection, chain), words(path))


def _look(connection: Connection, chain: Chain) -> Schema:
    """The schema; ``StoreUnfit`` where the tables are somebody else's."""
    tables = inspect(connection).get_table_names()
    if not tables:
        return ABSENT
    owner = connection.exec_driver_sql("PRAGMA application_id").scalar_one()
    if owner != APPLICATION_ID or VERSION_TABLE not in tables:
        raise StoreUnfit("this SQLite database belongs to another application: choose another file for the store")
    return revisions.schema_of(connection, chain)


def _engine(path: Path, begin: str) -> Engine:
    """Connections that change no setting of the file, for it may be somebody else's."""
    arguments = {"isolation_level": None, "timeout": _MIGRATION_PATIENCE}
    engine = create_engine(URL.create("sqlite", database=str(path)), poolclass=NullPool, connect_args=arguments)

    def begin_so(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "begin", begin_so)
    return engine
