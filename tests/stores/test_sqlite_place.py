"""Laws of an SQLite file under a running store: while its name is gone, or another file's, nothing is granted."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.errors import StoreUnavailable
from gateway.protocol.model import Granted
from gateway.stores.sql import files
from gateway.stores.sql.schema import migrate
from gateway.stores.sql.sqlite import SqliteDatabase
from gateway.stores.sql.store import SqlStore
from tests.stores.backends import Bench, SqliteBackend
from tests.stores.requests import claim


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def bench(path: Path) -> Iterator[Bench]:
    with Bench(SqliteBackend(path)) as bench:
        yield bench


def _refused(bench: Bench) -> str:
    with pytest.raises(StoreUnavailable) as refused:
        bench.claim(claim("k"))
    with pytest.raises(StoreUnavailable):
        bench.run(bench.store.ping())
    return str(refused.value)


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
def test_a_file_that_was_deleted_grants_nothing_and_is_named(bench: Bench, path: Path, suffix: str) -> None:
    lost = path.with_name(path.name + suffix)
    bench.granted(claim("before"))
    lost.unlink()
    assert _refused(bench).startswith(f"{lost} was deleted or replaced while the gateway had it open")


def test_of_two_stores_on_one_name_only_the_one_with_the_named_file_grants(bench: Bench, path: Path) -> None:
    bench.granted(claim("before"))
    for file in list(path.parent.iterdir()):
        file.unlink()
    with Bench(SqliteBackend(path)) as other:
        _refused(bench)
        assert isinstance(other.claim(claim("k")), Granted)
        _refused(bench)


def test_a_file_put_in_its_place_grants_nothing_until_its_own_is_back(bench: Bench, path: Path, tmp_path: Path) -> None:
    bench.granted(claim("before"))
    aside, another = tmp_path / "aside.db", tmp_path / "another.db"
    migrate(another)
    path.rename(aside)
    another.rename(path)
    _refused(bench)
    aside.rename(path)
    bench.granted(claim("after"))


def test_a_connection_is_never_opened_to_another_file(bench: Bench, path: Path, tmp_path: Path) -> None:
    assert isinstance(bench.store, SqlStore)
    database = bench.store._database
    assert isinstance(database, SqliteDatabase)
    another = tmp_path / "another.db"
    migrate(another)
    another.rename(path)
    with database.engine.connect(), pytest.raises(StoreUnavailable, match="replaced"):
        database.engine.connect()


def test_a_link_to_the_file_may_lie_elsewhere_but_must_go_on_leading_to_it(path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    link = folder / "link.db"
    migrate(path)
    link.symlink_to(path)
    with Bench(SqliteBackend(link)) as bench:
        bench.granted(claim("before"))
        another = tmp_path / "another.db"
        migrate(another)
        link.unlink()
        link.symlink_to(another)
        assert str(link) in _refused(bench)


def test_a_store_that_its_own_process_opens_again_goes_on_granting(bench: Bench, path: Path) -> None:
    async def opened_and_closed() -> None:
        other = await SqlStore.open_sqlite(path)
        await other.close()

    asyncio.run(opened_and_closed())
    bench.granted(claim("k"))
    files.Place.of(path).confirm()
