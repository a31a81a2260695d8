"""What people see of records, their word on them, and a reconciler's work, on each store."""

from collections.abc import Iterator

import pytest

from tests.redis_servers import RedisServer
from tests.stores.backends import SEALER, Bench, MemoryBackend, RedisBackend
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
