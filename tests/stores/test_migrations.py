"""Laws of the schema: made at once where it is new, refused where it is another, the same however often it is made."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import URL, NullPool, create_engine

from gateway.errors import StoreUnfit
from gateway.stores.sql.revisions import Schema, SchemaState
from gateway.stores.sql.schema import migrate, schema_state
from gateway.stores.sql.store import SqlStore
from gateway.stores.sql.tables import APPLICATION_ID, HEAD, metadata
from tests.stores.processes import claimant, lines, python


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def _execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def _refusal(path: Path) -> str:
    with pytest.raises(StoreUnfit) as refused:
        asyncio.run(SqlStore.open_sqlite(path))
    return str(refused.value)


def test_a_new_store_is_absent_then_current(path: Path) -> None:
    assert schema_state(path) is SchemaState.ABSENT
    assert not path.exists()
    assert migrate(f"sqlite:///{path}") == Schema(SchemaState.CURRENT, HEAD)
    assert schema_state(f"sqlite:///{path}") is SchemaState.CURRENT


def test_migrating_twice_changes_nothing(path: Path) -> None:
    migrate(path)
    before = path.read_bytes()
    assert migrate(path) == Schema(SchemaState.CURRENT, HEAD)
    assert path.read_bytes() == before


def test_two_processes_that_migrate_one_new_file_at_once_both_succeed(path: Path) -> None:
    script = f"from gateway.stores.sql.schema import migrate; print(migrate({str(path)!r}).revision)"
    both = [python("-c", script) for _ in range(2)]
    assert [lines(process) for process in both] == [[HEAD], [HEAD]]
    assert schema_state(path) is SchemaState.CURRENT


def test_two_processes_that_open_one_new_file_at_once_both_succeed(path: Path) -> None:
    both = [claimant(path, 1, name) for name in ("one", "two")]
    assert [len(lines(process)) for process in both] == [1, 1]


def test_an_older_schema_is_refused_with_the_command_that_mends_it(path: Path) -> None:
    _execute(
        path,
        f"PRAGMA application_id = {APPLICATION_ID}",
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)",
    )
    assert schema_state(path) is SchemaState.BEHIND
    assert f"idempotency-gateway migrate --store sqlite:///{path}" in _refusal(path)
    migrate(path)
    assert schema_state(path) is SchemaState.CURRENT


def test_a_newer_schema_that_took_something_away_is_refused_by_opening_and_by_migrating(path: Path) -> None:
    migrate(path)
    _execute(path, "UPDATE alembic_version SET version_num = '9999'", "UPDATE facts SET value = CAST('9998' AS BLOB)")
    assert schema_state(path) is SchemaState.AHEAD
    assert f"the schema of {path} is newer than this gateway" in _refusal(path)
    with pytest.raises(StoreUnfit, match="newer"):
        migrate(path)


def test_a_newer_schema_that_says_nothing_of_older_gateways_is_refused(path: Path) -> None:
    migrate(path)
    _execute(path, "UPDATE alembic_version SET version_num = '9999'", "DELETE FROM facts")
    assert "is newer than this gateway" in _refusal(path)


def test_a_database_of_another_application_is_not_migrated(path: Path) -> None:
    _execute(path, "CREATE TABLE recipes (text)")
    for verb in (migrate, schema_state):
        with pytest.raises(StoreUnfit, match="another application"):
            verb(path)


def test_the_revisions_make_exactly_the_tables_that_the_store_uses(path: Path) -> None:
    migrate(path)
    engine = create_engine(URL.create("sqlite", database=str(path)), poolclass=NullPool)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_the_revisions_make_the_constraints_that_the_tables_declare(path: Path, tmp_path: Path) -> None:
    migrate(path)
    declared = tmp_path / "declared.db"
    engine = create_engine(URL.create("sqlite", database=str(declared)), poolclass=NullPool)
    metadata.create_all(engine)
    assert _definitions(path) == _definitions(declared)


def _definitions(path: Path) -> dict[str, str]:
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    return {name: " ".join(sql.split()) for name, sql in rows if name != "alembic_version"}


def test_opening_a_current_store_needs_no_alembic(path: Path) -> None:
    migrate(path)
    script = (
        "import asyncio, sys; from gateway.stores.sql.store import SqlStore; "
        f"asyncio.run(SqlStore.open_sqlite({str(path)!r})); print('alembic' in sys.modules)"
    )
    assert lines(python("-c", script)) == ["False"]
