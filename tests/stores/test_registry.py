"""What people see of records, their word on them, and a reconciler's work, on each store."""

from collections.abc import Iterator

import pytest

from tests.stores.backends import Bench, MemoryBackend
from tests.stores.registry import RegistryContract


class TestMemory(RegistryContract):
    @pytest.fixture
    def bench(self) -> Iterator[Bench]:
        with Bench(MemoryBackend()) as bench:
            yield bench
