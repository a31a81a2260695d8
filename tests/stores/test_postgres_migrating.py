"""Migrations of a Postgres store beside others: another migration, somebody's open transaction, calls that come in."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import StoreUnavailable
from gateway.protocol.model import Granted
from gateway.stores.sql.phase import Phase
from gateway.stores.sql.postgres import migrate
from gateway.stores.sql.revisions import Schema, SchemaState
from gateway.stores.sql.tables import APPLICATION_ID
from tests.postgres import Server, Servers, installed, on
from tests.stores.processes import lines, python
from tests.stores.releases import Releases, ServerPlace
from tests.stores.requests import claim

_WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = $1 AND database = $2"
_DATABASE = "SELECT oid FROM pg_database WHERE datname = current_database()"


@pytest.fixture(params=installed())
def server(request: pytest.FixtureRequest, servers: Servers) -> Server:
    return servers.get(request.param)


@pytest.fixture
def url(server: Server) -> Iterator[str]:
    with server.database() as url:
        yield url


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    return Releases.made_in(tmp_path)


async def until_wait(observer: Any, kind: str, number: int) -> None:  # noqa: ANN401 - the driver is untyped
    """When so many wait for locks of this kind on the observer's database."""
    database = await observer.fetchval(_DATABASE)
    async with asyncio.timeout(30):
        while await observer.fetchval(_WAITING, kind, database) < number:
            pass


def beside(url: str, scenario: Callable[[Any, Any], Awaitable[None]]) -> None:
    """Runs a scenario beside somebody who has a connection of their own, and somebody who looks."""

    async def with_other(other: Any) -> None:  # noqa: ANN401 - the driver is untyped
        await on(url, lambda observer: scenario(other, observer))

    asyncio.run(on(url, with_other))


def test_two_that_migrate_at_once_wait_for_each_other_however_impatient_the_database_is_set(
    server: Server, url: str, releases: Releases
) -> None:
    server.execute(f"ALTER DATABASE {url.rpartition('/')[2]} SET lock_timeout = '1ms'")
    chain = f"Chain(Path({str(releases.second.place)!r}), {releases.second.head!r})"
    script = (
        "import asyncio; from pathlib import Path; from gateway.stores.sql.chain import Chain; "
        "from gateway.stores.sql.phase import Phase; "
        "from gateway.stores.sql.postgres import migrate; "
        f"print(asyncio.run(migrate({url!r}, Phase.BEFORE, {chain})).revision)"
    )

    async def scenario(first: Any, observer: Any) -> None:  # noqa: ANN401 - the driver is untyped
        transaction = first.transaction()
        await transaction.start()
        await first.execute(f"SELECT pg_advisory_xact_lock({APPLICATION_ID})")
        both = [python("-c", script) for _ in range(2)]
        await until_wait(observer, "advisory", 2)
        await transaction.rollback()
        assert [lines(process) for process in both] == [["9002"], ["9002"]]

    beside(url, scenario)


def test_a_migration_gives_up_on_somebodys_transaction_and_the_calls_behind_it_are_granted(
    url: str, releases: Releases
) -> None:
    async def scenario(somebody: Any, observer: Any) -> None:  # noqa: ANN401 - the driver is untyped
        store = await ServerPlace(url).open(releases.first)
        transaction = somebody.transaction()
        await transaction.start()
        await somebody.execute("SELECT * FROM records")
        migrating = asyncio.create_task(migrate(url, Phase.BEFORE, releases.second))
        await until_wait(observer, "relation", 1)
        assert isinstance(await store.claim(claim("behind it")), Granted)
        with pytest.raises(StoreUnavailable, match="nothing was changed; run this again when that transaction is over"):
            await migrating
        assert await migrate(url, Phase.BEFORE) == Schema(SchemaState.CURRENT, releases.first.head)
        await transaction.rollback()
        assert await migrate(url, Phase.BEFORE, releases.second) == Schema(SchemaState.UNFINISHED, "9002")
        assert isinstance(await store.claim(claim("after it")), Granted)
        await store.close()

    beside(url, scenario)
