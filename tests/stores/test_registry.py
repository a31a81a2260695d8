"""What people see of records, their word on them, and a reconciler's work, on each store."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faultproxy import Direction, proxying
from tests.postgres import Servers, installed
from tests.redis_servers import RedisServer, shared
from tests.stores.backends import (
    SEALER,
    Bench,
    MemoryBackend,
    PostgresBackend,
    RedisBackend,
    SqliteBackend,
    TieredServers,
)
from tests.stores.fronts import DictFront, TieredBackend
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


class TestTiered(RegistryContract):
    @pytest.fixture(params=["up", "severed from the start", "severed midway"])
    def bench(self, request: pytest.FixtureRequest) -> Iterator[Bench]:
        lasts = {"up": None, "severed from the start": 0, "severed midway": 5}[request.param]
        with Bench(TieredBackend(MemoryBackend(), DictFront(lasts=lasts))) as bench:
            yield bench


class TestTieredServers(RegistryContract):
    @pytest.fixture(params=["both up", "severed midway"])
    def bench(self, request: pytest.FixtureRequest, servers: Servers) -> Iterator[Bench]:
        server, redis = servers.get(), shared("valkey")
        with ExitStack() as stack:
            proxy = stack.enter_context(proxying(redis.port))
            if request.param == "severed midway":
                proxy.down = Direction(after=6, swallows=True)
            url = f"redis://127.0.0.1:{proxy.port}/0"
            authority = PostgresBackend(server, stack.enter_context(server.database()), SEALER)
            yield stack.enter_context(Bench(TieredServers(authority, redis, url)))
