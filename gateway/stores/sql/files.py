"""The file of an SQLite store: where it lies, whose it is, who may read it, and whether it is still there.

Knows paths, modes, mounts and inodes; every complaint says what to do about it. Refuses to know tables, and to open a
file that is there already: closing any descriptor of it would drop the locks that SQLite holds on it for
this whole process (fcntl(2)), and two processes would then write past each other.
"""

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from gateway.errors import StoreUnavailable, StoreUnfit

_MOUNTS = Path("/proc/self/mountinfo")

# File systems on which a lock or a shared memory map of one machine means nothing to another. 9p is among them: its
# usual servers answer every lock with yes.
_NETWORK = frozenset({"9p", "afs", "beegfs", "ceph", "cifs", "gpfs", "lustre", "nfs", "nfs4", "smb3", "smbfs"}) | {
    f"fuse.{name}" for name in ("ceph", "glusterfs", "gvfsd-fuse", "rclone", "s3fs", "sshfs")
}


def path_of(location: str | Path) -> Path:
    """The absolute path that ``sqlite:///FILE``, or a plain path, names."""
    text = str(location)
    if "://" not in text:
        return Path(text).absolute()
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        raise StoreUnfit("the store's URL cannot be read: write sqlite:///FILE") from error
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        raise StoreUnfit("the store's URL names no SQLite file: write sqlite:///FILE")
    return Path(url.database).absolute()


def prepare(path: Path) -> None:
    """Makes sure that a file is there which SQLite may write, made for its owner alone where it is new."""
    if not path.parent.is_dir():
        raise StoreUnfit(f"the directory {path.parent} does not exist: create it, or choose another file for the store")
    if _MOUNTS.exists():
        refuse_network(path, _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape"))
    try:
        _create(path)
    except OSError as error:
        raise _unwritable(path) from error
    # The directory too: the write-ahead log lies beside the file.
    if not path.is_file() or not os.access(path, os.R_OK | os.W_OK) or not os.access(path.parent, os.W_OK | os.X_OK):
        raise _unwritable(path)


def _create(path: Path) -> None:
    """Before SQLite sees it, so that there is no moment at which others may read it; -wal and -shm follow its mode."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))


def _unwritable(path: Path) -> StoreUnfit:
    return StoreUnfit(
        f"the store's file {path} cannot be opened for writing: "
        "make it and its directory writable for the gateway's user, or choose another file"
    )


def refuse_network(path: Path, mounts: str) -> None:
    """``StoreUnfit`` where ``path`` lies on a network file system, as far as the mounts of this machine tell."""
    kind = file_system(path.resolve(), mounts)
    if kind in _NETWORK:
        raise StoreUnfit(
            f"{path} lies on a network file system ({kind}), where SQLite cannot keep two writers apart: "
            "choose a local disk, or a Postgres store"
        )


def file_system(path: Path, mounts: str) -> str:
    """The type of the file system under ``path`` by the text of ``/proc/self/mountinfo`` (proc(5))."""
    longest, found = -1, ""
    for line in mounts.splitlines():
        fields, _, source = line.partition(" - ")
        point = Path(_unescaped(fields.split(" ")[4]))
        # Of two mounts on one point the later one covers the earlier.
        if path.is_relative_to(point) and len(point.parts) >= longest:
            longest, found = len(point.parts), source.split(" ")[0]
    return found


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


_Inode = tuple[int, int]


def inode(file: str | Path) -> _Inode | None:
    """Which file has this name now, as device and inode; ``None`` where none has."""
    try:
        found = os.stat(file)  # noqa: PTH116 - at every commit, and half the price of Path.stat
    except OSError:
        return None
    return found.st_dev, found.st_ino


@dataclass(frozen=True, slots=True)
class Place:
    """An open database's files, each by its name and by what had that name when it was opened."""

    path: Path
    files: tuple[tuple[str, _Inode | None], ...]

    @classmethod
    def of(cls, path: Path) -> Self:
        """The place of a database that a connection has open: then its log and that log's index are there too."""
        # They lie beside the file itself, wherever a link to it lies.
        beside = os.path.realpath(path)
        return cls(path, tuple((name, inode(name)) for name in (str(path), f"{beside}-wal", f"{beside}-shm")))

    def confirm(self) -> None:
        """``StoreUnavailable`` where a name was taken away or given to another file, so that others open that one.

        An open file outlives its name, and SQLite goes on writing into it (howtocorrupt.html, section 2.4).
        """
        for name, opened in self.files:
            if inode(name) != opened:
                raise StoreUnavailable(
                    f"{name} was deleted or replaced while the gateway had it open, so nothing written would last: "
                    "stop the gateway, bring the store back from a copy and start again; "
                    "an empty store knows no key, and every retry would be sent again"
                )
