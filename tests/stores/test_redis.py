"""The Redis store sits the contract, on every server that is here."""

from collections.abc import Iterator

import pytest

from tests.stores.backends import Bench, RedisBackend
from tests.stores.contract import StoreContract


class TestRedis(StoreContract):
    @pytest.fixture
    def bench(self, backend: RedisBackend) -> Iterator[Bench]:
        with Bench(backend) as bench:
            yield bench
