"""What a Postgres store demands before it grants anything, and how its schema gets there."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, NullPool

from gateway.errors import StoreUnavailable, StoreUnfit
from gateway.protocol.model import Granted
from gateway.stores.sql import fitness
from gateway.stores.sql.postgres import migrate, schema_state
from gateway.stores.sql.postgres_url import shown
from gateway.stores.sql.postgres_wire import engine_of
from gateway.stores.sql.revisions import Schema, SchemaState
from gateway.stores.sql.store import SqlStore
from gateway.stores.sql.tables import HEAD, metadata
from tests.postgres import Server, Servers, installed
from tests.stores.processes import lines, python
from tests.stores.requests import claim


@pytest.fixture(params=installed())
def server(request: pytest.FixtureRequest, servers: Servers) -> Server:
    return servers.get(request.param)


@pytest.fixture
def url(server: Server) -> Iterator[str]:
    with server.database() as url:
        yield url


@pytest.fixture
def empty(server: Server) -> Iterator[str]:
    with server.database(template="template1") as url:
        yield url


def secretly(url: str) -> str:
    """The same URL with a password, which must not be told."""
    return url.replace("postgres@", "postgres:hunter2@")


def refusal(url: str) -> str:
    with pytest.raises(StoreUnfit) as refused:
        asyncio.run(SqlStore.open_postgres(secretly(url)))
    said = str(refused.value)
    assert "hunter2" not in said
    assert "\n" not in said
    return said


def opens(url: str) -> None:
    async def scenario() -> None:
        store = await SqlStore.open_postgres(url)
        await store.digest_keys([None])
        assert isinstance(await store.claim(claim("k")), Granted)
        await store.close()

    asyncio.run(scenario())


def test_fsync_off_is_refused(server: Server, url: str) -> None:
    server.set(fsync="off")
    try:
        assert "set fsync = on in postgresql.conf" in refusal(url)
    finally:
        server.set(fsync="on")
    opens(url)


@pytest.mark.parametrize(
    "setting",
    [
        "synchronous_commit = off",
        "default_transaction_read_only = on",
        "client_min_messages = error",
        "default_transaction_isolation = 'serializable'",
    ],
)
def test_a_setting_that_loses_or_hides_something_is_refused_with_the_command_that_mends_it(
    server: Server, url: str, setting: str
) -> None:
    server.execute('CREATE ROLE "care""less" LOGIN SUPERUSER')
    server.execute(f'ALTER ROLE "care""less" SET {setting}')
    try:
        careless = url.replace("postgres@", "care%22less:hunter2@")
        said = refusal(careless)
        command = said.partition("run ")[2].partition(", and start")[0]
        assert command.startswith('ALTER ROLE "care""less" SET ' + setting.partition(" ")[0])
        server.execute(command)
        opens(careless)
    finally:
        server.execute('DROP ROLE "care""less"')


async def refusing(store: SqlStore) -> str:
    """Why the store cannot grant."""
    with pytest.raises(StoreUnavailable) as refused:
        await store.ping()
    return str(refused.value)


def test_a_setting_that_turns_unsafe_later_makes_the_store_unavailable_on_its_next_connection(
    server: Server, url: str
) -> None:
    async def scenario() -> None:
        store = await SqlStore.open_postgres(url)
        await store.digest_keys([None])
        await asyncio.to_thread(server.set, synchronous_commit="off")
        await asyncio.to_thread(
            server.execute,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1",
            url.rpartition("/")[2],
        )
        async with asyncio.timeout(10):
            # The first answer may still be about the connection that was ended under it.
            while "synchronous_commit" not in await refusing(store):
                pass
        with pytest.raises(StoreUnavailable):
            await store.claim(claim("k"))
        await store.close()

    try:
        asyncio.run(scenario())
    finally:
        server.set(synchronous_commit="on")


def test_a_standby_is_refused(server: Server, tmp_path: Path) -> None:
    with server.standby(tmp_path / "standby") as standby:
        assert "standby" in refusal(standby.url("migrated"))


def test_an_older_server_is_refused() -> None:
    class Old:
        async def fetchrow(self, query: str) -> tuple[object, ...]:
            return 140_012, "14.12", "gateway", False, "off", "on", "on", "notice", "read committed"

    with pytest.raises(StoreUnfit, match=r"PostgreSQL 14\.12: this gateway needs 15 or later"):
        asyncio.run(fitness.demand(Old()))


def test_an_address_that_nobody_answers_is_unavailable_and_tells_no_password(unused_port: int) -> None:
    with pytest.raises(StoreUnavailable) as fault:
        asyncio.run(SqlStore.open_postgres(f"postgresql://gateway:hunter2@127.0.0.1:{unused_port}/gateway"))
    assert "cannot be reached" in str(fault.value)
    assert "hunter2" not in str(fault.value)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [("connect_timeout=3", "not known here: connect_timeout"), ("password=hunter2", "before the host")],
)
def test_a_parameter_that_would_be_misunderstood_is_refused(query: str, sentence: str) -> None:
    with pytest.raises(StoreUnfit, match=sentence) as refused:
        asyncio.run(SqlStore.open_postgres(f"postgresql://db/gateway?{query}"))
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://u:p@h:1/d?sslmode=verify-full", "postgresql://u@h:1/d?sslmode=verify-full"),
        ("postgres://u:p%40q@[::1]:1/d", "postgresql://u@[::1]:1/d"),
        ("postgresql://u:a@b:c@h/d", "postgresql://u@h/d"),
        ("postgresql:///d?host=/run/postgresql", "postgresql:///d?host=/run/postgresql"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, told: str) -> None:
    assert shown(url) == told


def test_tls_that_the_server_does_not_have_is_refused_where_the_url_demands_it(url: str) -> None:
    with pytest.raises(StoreUnavailable):
        asyncio.run(SqlStore.open_postgres(f"{url}?sslmode=require"))


# The schema


def test_a_database_without_a_schema_is_refused_with_the_command_that_makes_it(empty: str) -> None:
    assert f"run `idempotency-gateway migrate --store {empty}`" in refusal(empty)
    assert asyncio.run(schema_state(empty)) is SchemaState.ABSENT
    assert asyncio.run(migrate(empty)) == Schema(SchemaState.CURRENT, HEAD)
    assert asyncio.run(migrate(empty)) == Schema(SchemaState.CURRENT, HEAD)
    assert asyncio.run(schema_state(empty)) is SchemaState.CURRENT
    opens(empty)


def test_an_older_schema_is_refused_with_the_command_that_mends_it(server: Server, url: str) -> None:
    server.execute("DELETE FROM alembic_version", url=url)
    assert asyncio.run(schema_state(url)) is SchemaState.BEHIND
    assert f"is older than this gateway: run `idempotency-gateway migrate --store {url} --phase before`" in refusal(url)


def test_a_newer_schema_that_took_something_away_is_refused_by_opening_and_by_migrating(
    server: Server, url: str
) -> None:
    server.execute("UPDATE alembic_version SET version_num = '9999'", url=url)
    server.execute("UPDATE facts SET value = '9998'", url=url)
    assert asyncio.run(schema_state(url)) is SchemaState.AHEAD
    assert "newer" in refusal(url)
    with pytest.raises(StoreUnfit, match="newer"):
        asyncio.run(migrate(url))


@pytest.mark.parametrize("table", ["records", "facts", "alembic_version"])
def test_tables_of_another_application_are_left_alone(server: Server, empty: str, table: str) -> None:
    server.execute(f"CREATE TABLE {table} (version_num text)", url=empty)
    assert "another application" in refusal(empty)
    with pytest.raises(StoreUnfit, match="another application"):
        asyncio.run(migrate(empty))


def test_two_processes_that_migrate_one_new_database_at_once_both_succeed(empty: str) -> None:
    migrated = f"asyncio.run(migrate({empty!r})).revision"
    script = f"import asyncio; from gateway.stores.sql.postgres import migrate; print({migrated})"
    both = [python("-c", script) for _ in range(2)]
    assert [lines(process) for process in both] == [[HEAD], [HEAD]]
    opens(empty)


def test_the_revisions_make_exactly_the_tables_that_the_store_uses(url: str) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        return list(compare_metadata(context, metadata))

    async def scenario() -> list[object]:
        async with engine_of(url, poolclass=NullPool).connect() as connection:
            return await connection.run_sync(differences)

    assert asyncio.run(scenario()) == []


def test_a_large_answer_lies_beside_its_row(server: Server, url: str) -> None:
    query = "SELECT attstorage FROM pg_attribute WHERE attrelid = 'records'::regclass AND attname = 'body'"
    assert server.execute(query, url=url)[0][0] == b"e"
