"""The Postgres store sits the contract, on every server that is here."""

from collections.abc import Iterator

import pytest

from tests.postgres import Servers, installed
from tests.stores.backends import Bench, PostgresBackend
from tests.stores.contract import StoreContract


class TestPostgres(StoreContract):
    @pytest.fixture(params=installed())
    def bench(self, request: pytest.FixtureRequest, servers: Servers) -> Iterator[Bench]:
        server = servers.get(request.param)
        with server.database() as url, Bench(PostgresBackend(server, url)) as bench:
            yield bench
