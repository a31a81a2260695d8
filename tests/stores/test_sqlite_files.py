"""Laws of an SQLite store's file: made for its owner alone, and refused in one sentence where it is not fit."""

import asyncio
import sqlite3
import stat
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from gateway.errors import StoreUnavailable, StoreUnfit
from gateway.stores.sql import files
from gateway.stores.sql.schema import migrate
from gateway.stores.sql.store import SqlStore
from tests.stores.backends import Bench, SqliteBackend
from tests.stores.processes import lines, python
from tests.stores.requests import claim


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def _refusal(location: str | Path) -> str:
    with pytest.raises(StoreUnfit) as refused:
        asyncio.run(SqlStore.open_sqlite(location))
    return str(refused.value)


def test_the_file_and_its_companions_are_for_their_owner_alone(path: Path) -> None:
    with Bench(SqliteBackend(path)) as bench:
        bench.granted(claim("k"))
        for suffix in ("", "-wal", "-shm"):
            mode = path.with_name(path.name + suffix).stat().st_mode
            assert stat.S_IMODE(mode) == 0o600


def test_a_commit_waits_for_the_disk(path: Path) -> None:
    with Bench(SqliteBackend(path)) as bench:
        store = bench.store
        assert isinstance(store, SqlStore)
        for run in (store._database.write, store._database.read):
            assert bench.run(run(lambda connection: connection.exec_driver_sql("PRAGMA synchronous").scalar_one())) == 2
            mode = bench.run(run(lambda connection: connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()))
            assert mode == "wal"


def test_the_clock_is_the_databases_own_and_right(path: Path) -> None:
    with Bench(SqliteBackend(path)) as bench:
        (before,) = _seconds()
        bench.granted(claim("k"))
        (after,) = _seconds()
        ((created_at,),) = bench.backend.execute("SELECT created_at FROM records")  # type: ignore[attr-defined]
        assert before <= created_at // 1000 <= after


def _seconds() -> tuple[int]:
    with closing(sqlite3.connect(":memory:")) as connection:
        seconds: tuple[int] = connection.execute("SELECT CAST(strftime('%s', 'now') AS INTEGER)").fetchone()
        return seconds


def test_a_store_opens_by_url_and_by_path_alike(path: Path) -> None:
    assert files.path_of(f"sqlite:///{path}") == files.path_of(path) == path
    assert files.path_of("sqlite:///store.db") == Path.cwd() / "store.db"


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "postgresql://db/x", "sqlite://host:x/y"])
def test_a_url_that_names_no_file_is_refused(url: str) -> None:
    assert "sqlite:///FILE" in _refusal(url)


def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path) -> None:
    path.write_bytes(b"a letter to my mother")
    assert "not an SQLite database" in _refusal(path)
    assert path.read_bytes() == b"a letter to my mother"


def test_a_database_of_another_application_is_refused_and_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE recipes (text)")
    before = path.read_bytes()
    assert "another application" in _refusal(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("recipes",)]
    assert path.read_bytes() == before


def test_a_missing_directory_is_named(path: Path) -> None:
    assert str(path / "deeper") in _refusal(path / "deeper" / "store.db")


def test_a_directory_in_the_place_of_the_file_is_refused(tmp_path: Path) -> None:
    assert "cannot be opened for writing" in _refusal(tmp_path)


@pytest.mark.parametrize(("file_mode", "directory_mode"), [(0o444, 0o755), (0o666, 0o555)])
def test_a_file_or_directory_that_can_only_be_read_is_refused(file_mode: int, directory_mode: int) -> None:
    # Root may write anything, so a process that opens the store becomes somebody else first.
    script = (
        "import asyncio, os, sys\n"
        "from gateway.errors import StoreUnfit\n"
        "from gateway.stores.sql.store import SqlStore\n"
        "os.geteuid() or os.setuid(65534)\n"
        "try: asyncio.run(SqlStore.open_sqlite(sys.argv[1]))\n"
        "except StoreUnfit as fault: print(fault)\n"
    )
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "store.db"
        migrate(path)
        path.chmod(file_mode)
        path.parent.chmod(directory_mode)
        assert "writable" in lines(python("-c", script, str(path)))
        path.parent.chmod(0o755)


def test_a_store_that_was_not_asked_for_its_digest_key_opens_no_record(path: Path) -> None:
    async def scenario() -> None:
        store = await SqlStore.open_sqlite(path)
        with pytest.raises(StoreUnavailable, match="digest key"):
            await store.look(claim("k").id)
        await store.close()

    asyncio.run(scenario())


_MOUNTS = "\n".join(
    [
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw",
        "23 22 0:5 / /mnt/share\\040one rw - nfs4 server:/x rw",
        "24 22 0:6 / /mnt rw master:1 - tmpfs tmpfs rw",
        "25 22 0:7 / /home rw - ext4 /dev/sdb1 rw",
        "26 25 0:8 / /home rw - fuse.sshfs host: rw",
    ]
)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/x.db", "ext4"),
        ("/mnt/x.db", "tmpfs"),
        ("/mnt/share one/x.db", "nfs4"),
        ("/mnt/share onerous/x.db", "tmpfs"),
        ("/home/a/x.db", "fuse.sshfs"),
    ],
)
def test_the_file_system_of_a_path_is_that_of_its_innermost_and_latest_mount(path: str, kind: str) -> None:
    assert files.file_system(Path(path), _MOUNTS) == kind


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs"])
def test_a_network_file_system_is_refused_by_its_name(kind: str) -> None:
    mounts = f"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n23 22 0:5 / /data rw - {kind} server rw\n"
    with pytest.raises(StoreUnfit, match=kind):
        files.refuse_network(Path("/data/store.db"), mounts)
    files.refuse_network(Path("/elsewhere/store.db"), mounts)
