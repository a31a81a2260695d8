"""The SQLite store sits the contract."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stores.backends import Bench, SqliteBackend
from tests.stores.contract import StoreContract


class TestSqlite(StoreContract):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> Iterator[Bench]:
        with Bench(SqliteBackend(tmp_path / "store.db")) as bench:
            yield bench
