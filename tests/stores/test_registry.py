"""What people see of records, their word on them, and a reconciler's work, on each store."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import Servers, installed
from tests.redis_servers import RedisServer
from tests.stores.backends import SEALER, Bench, MemoryBackend, PostgresBackend, RedisBackend, SqliteBackend
from tests.stores.registry import RegistryContract


class TestMemory(RegistryContract):
    @pytest.fixture
    def bench(self) -> Iterator[Bench]:
        with Bench(MemoryBackend()) as bench:
            yield bench


class TestRedis(RegistryContract):
    @pytest.fixture
    def bench(self, server: RedisServer) -> Iterator[Bench]:
        with Bench(RedisBackend(server, SEALER)) as bench:
            yield bench


class TestSqlite(RegistryContract):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> Iterator[Bench]:
        with Bench(SqliteBackend(tmp_path / "store.db", SEALER)) as bench:
            yield bench


class TestPostgres(RegistryContract):
    @pytest.fixture(params=installed())
    def bench(self, request: pytest.FixtureRequest, servers: Servers) -> Iterator[Bench]:
        server = servers.get(request.param)
        with server.database() as url, Bench(PostgresBackend(server, url, SEALER)) as bench:
            yield bench
