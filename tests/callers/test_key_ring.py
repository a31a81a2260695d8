"""Whose key it is, as files stand: what is taken back is nobody's, what cannot be read is as it was."""

import os
from collections.abc import Sequence
from pathlib import Path

from gateway.callers.key_ring import KeyRing
from gateway.policies.callers import CallerKeys, KnownCaller, Quotas, with_key
from gateway.protocol.fingerprint import key_digest
from gateway.protocol.observations import KeysRead, KeysUnreadable, Observation


class Seen:
    def __init__(self) -> None:
        self.all: list[Observation] = []

    def observe(self, observation: Observation) -> None:
        self.all.append(observation)


def shop(name: str = "shop", *, files: Sequence[Path] = (), keys: Sequence[bytes] = ()) -> CallerKeys:
    return CallerKeys(with_key(name, None, Quotas()), frozenset(map(key_digest, keys)), tuple(map(str, files)))


def write(path: Path, *keys: bytes) -> None:
    """As a secret is replaced: the old file or the new one, never half of it."""
    new = path.with_suffix(".new")
    new.write_text("".join(f"sha256:{key_digest(key).hex()}\n" for key in keys))
    new.rename(path)


def holder(ring: KeyRing, key: bytes) -> KnownCaller | None:
    return ring.holder(key_digest(key))


def look(ring: KeyRing) -> None:
    ring._take_in(ring._look())


def test_a_key_belongs_to_whoever_has_it_now(tmp_path: Path) -> None:
    path, seen = tmp_path / "shop", Seen()
    write(path, b"old")
    ring = KeyRing([shop(files=[path]), shop("bar", keys=[b"bar"])], seen)
    assert [holder(ring, key) for key in (b"old", b"new", b"bar")] == [
        with_key("shop", None, Quotas()),
        None,
        with_key("bar", None, Quotas()),
    ]
    write(path, b"old", b"new")
    look(ring)
    assert holder(ring, b"old") == holder(ring, b"new") != holder(ring, b"bar")
    write(path, b"new")
    look(ring)
    assert [holder(ring, b"old"), holder(ring, b"new")] == [None, with_key("shop", None, Quotas())]
    write(path)
    look(ring)
    assert holder(ring, b"new") is None
    assert seen.all == [KeysRead(str(path), number) for number in (2, 1, 0)]


def test_a_file_that_is_gone_holds_no_key_and_one_that_cannot_be_read_is_as_it_was(tmp_path: Path) -> None:
    path, seen = tmp_path / "shop", Seen()
    write(path, b"key")
    ring = KeyRing([shop(files=[path])], seen)
    for broken in ("half a line", "sha256:" + "0" * 64 + "\nsha256:", "x" * 70_000):
        path.write_text(broken)
        look(ring)
        look(ring)
        assert holder(ring, b"key") is not None
    assert [type(each) for each in seen.all] == [KeysUnreadable] * 2, "each once, until it is another fault"
    path.unlink()
    look(ring)
    assert holder(ring, b"key") is None
    write(path, b"key")
    look(ring)
    assert holder(ring, b"key") is not None
    assert [type(each) for each in seen.all[2:]] == [KeysUnreadable, KeysRead, KeysRead]
    assert not any("0000" in str(each) for each in seen.all)


def test_a_file_that_looks_unchanged_is_read_while_it_is_young_and_left_alone_after(tmp_path: Path) -> None:
    path, seen = tmp_path / "shop", Seen()
    write(path, b"one")
    told = path.stat()
    ring = KeyRing([shop(files=[path])], seen)
    path.write_text(f"sha256:{key_digest(b'two').hex()}\n")
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))
    look(ring)
    assert holder(ring, b"two") is not None, "written twice within one tick of the file's clock"
    old = told.st_mtime_ns - 60 * 10**9
    os.utime(path, ns=(old, old))
    look(ring)
    before = ring._files
    look(ring)
    assert ring._files[str(path)] is before[str(path)]


def test_a_key_that_two_callers_have_is_nobodys(tmp_path: Path) -> None:
    path, seen = tmp_path / "shop", Seen()
    write(path, b"mine")
    ring = KeyRing([shop(files=[path]), shop("bar", keys=[b"bar"])], seen)
    write(path, b"mine", b"bar")
    look(ring)
    assert holder(ring, b"bar") is None
    assert holder(ring, b"mine") is not None
    assert any(isinstance(each, KeysUnreadable) for each in seen.all)
