"""The Postgres store sits the contract behind PgBouncer in transaction mode: a statement may meet any process."""

import asyncio
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, text

from gateway.protocol.model import Busy, Granted, RecordId
from gateway.stores.sql.store import SqlStore
from tests.pgbouncer import POOL, Bouncer, bouncing
from tests.postgres import Servers
from tests.stores.backends import SEALER, Bench, PostgresBackend
from tests.stores.contract import StoreContract
from tests.stores.registry import RegistryContract
from tests.stores.requests import claim


def _process(connection: Connection) -> int:
    return int(connection.execute(text("SELECT pg_backend_pid() FROM pg_sleep(0.02)")).scalar_one())


class Bounced(PostgresBackend):
    """A store behind a bouncer; what is done to its records behind its back goes straight to the server."""

    def __init__(self, bouncer: Bouncer, url: str) -> None:
        super().__init__(bouncer.server, url)
        self.bounced = PostgresBackend(bouncer.server, bouncer.url(url), SEALER)

    async def open(self) -> SqlStore:
        store = await self.bounced.open()
        # At once, until the bouncer has opened every connection that it may; from then on they are met in turn.
        met: set[int] = set()
        while len(met) < POOL:
            met.update(await asyncio.gather(*(store._database.read(_process) for _ in range(POOL))))
        return store


@pytest.fixture(scope="module")
def bouncer(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bouncer]:
    with bouncing(servers.get(), tmp_path_factory.mktemp("bouncer")) as running:
        yield running


@pytest.fixture
def backend(bouncer: Bouncer) -> Iterator[Bounced]:
    with bouncer.server.database() as url:
        yield Bounced(bouncer, url)


class TestPgBouncer(StoreContract, RegistryContract):
    @pytest.fixture
    def bench(self, backend: Bounced) -> Iterator[Bench]:
        with Bench(backend) as bench:
            yield bench


def test_of_claimants_at_two_stores_that_share_a_few_processes_exactly_one_is_granted(backend: Bounced) -> None:
    async def scenario() -> None:
        stores = [await backend.open() for _ in range(2)]
        for number in range(20):
            once = [claim(f"{number}") for _ in range(20)]
            verdicts = await asyncio.gather(*(store.claim(each) for each in once for store in stores))
            granted = [verdict for verdict in verdicts if isinstance(verdict, Granted)]
            # Each claimed at both: the same claim, whoever was asked.
            assert len(granted) == 2
            assert granted[0] == granted[1]
            assert sum(isinstance(verdict, Busy) for verdict in verdicts) == len(verdicts) - 2
        for store in stores:
            await store.close()

    asyncio.run(scenario())


def test_no_word_of_what_others_forget_is_believed_to_come(backend: Bounced) -> None:
    class Keeper:
        heeded = False

        def forgotten(self, record_id: RecordId) -> None:
            raise AssertionError(record_id)

        def heeds(self, *, others: bool) -> None:
            self.heeded = True

    async def scenario() -> None:
        store, keeper = await backend.open(), Keeper()
        store.follow(keeper)
        # The same connection is asked for, and whether word comes on it.
        assert not await store._database.listen(store._heard)
        await asyncio.sleep(0)
        assert not keeper.heeded
        await store.close()

    asyncio.run(scenario())
