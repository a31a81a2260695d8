"""The reference store sits the contract."""

from collections.abc import Iterator

import pytest

from tests.stores.backends import Bench, MemoryBackend
from tests.stores.contract import StoreContract


class TestMemory(StoreContract):
    @pytest.fixture
    def bench(self) -> Iterator[Bench]:
        with Bench(MemoryBackend()) as bench:
            yield bench
