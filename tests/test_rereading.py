"""Files that are read again: what has changed counts, what cannot be used changes nothing and is told once."""

import os
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from gateway.errors import ConfigInvalid
from gateway.protocol.observations import Observation, SecretRead, SecretUnreadable
from gateway.rereading import Exchange, Rereading, Source, digest_of


@dataclass
class Holder:
    """A value that is made of a file, and how often it was made."""

    path: Path
    value: str = "old"
    made: int = 0
    seen: list[Observation] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.path.write_text(self.value)
        self.source = Source("a.setting", (str(self.path),), self.read)
        self.rereading = Rereading([self.source], self)

    def read(self) -> Exchange | None:
        self.made += 1
        try:
            value = self.path.read_text()
        except OSError:
            raise ValueError("names a file that cannot be read") from None
        if value.startswith("bad"):
            raise ConfigInvalid("It is bad.", "It is " + value[:8] + ".")
        return None if value == self.value else partial(self.put, value)

    def put(self, value: str) -> None:
        self.value = value

    def observe(self, observation: Observation) -> None:
        self.seen.append(observation)

    def look(self, times: int = 1) -> None:
        for _ in range(times):
            for source, found in self.rereading._looks():
                self.rereading._take_in(source, found)

    def settle(self) -> None:
        """As if it had been written long ago."""
        old = self.path.stat().st_mtime_ns - 60 * 10**9
        os.utime(self.path, ns=(old, old))


@pytest.fixture
def holder(tmp_path: Path) -> Holder:
    return Holder(tmp_path / "file")


def test_what_a_file_holds_by_now_counts_and_is_told(holder: Holder) -> None:
    holder.look(2)
    assert holder.seen == [], "nothing has changed since the start"
    holder.path.write_text("new")
    holder.look(2)
    assert (holder.value, holder.seen) == ("new", [SecretRead("a.setting")])


def test_a_change_between_the_start_and_the_first_look_is_seen(holder: Holder) -> None:
    holder.path.write_text("new")
    holder.look()
    assert holder.value == "new"


def test_a_file_that_was_replaced_by_another_of_its_size_and_age_is_read(holder: Holder, tmp_path: Path) -> None:
    holder.settle()
    holder.look()
    other = tmp_path / "other"
    other.write_text("new")
    told = holder.path.stat()
    os.utime(other, ns=(told.st_atime_ns, told.st_mtime_ns))
    other.rename(holder.path)
    holder.look()
    assert holder.value == "new"


def test_a_file_that_is_as_it_was_is_not_made_anything_of(holder: Holder) -> None:
    holder.settle()
    holder.look()
    made = holder.made
    holder.look(3)
    os.utime(holder.path)
    holder.look(3)
    assert holder.made == made, "a touch changes nothing that it holds"


def test_what_is_known_by_its_digest_is_not_made_again_at_the_first_look(holder: Holder) -> None:
    holder.source.digest = digest_of(holder.source.files)
    holder.look()
    assert holder.made == 0


@pytest.mark.parametrize("broken", ["bad", None])
def test_what_cannot_be_used_leaves_the_old_value_and_is_told_once_until_it_is_mended(
    holder: Holder, broken: str | None
) -> None:
    holder.look()
    if broken is None:
        holder.path.unlink()
    else:
        holder.path.write_text(broken)
    holder.look()
    assert holder.seen == [], "a pair of files changes one after the other: only what lasts is a fault"
    holder.look(5)
    told = "names a file that cannot be read" if broken is None else "It is bad. It is bad."
    assert holder.seen == [SecretUnreadable("a.setting", told)]
    assert holder.value == "old"
    holder.path.write_text("new")
    holder.look(2)
    assert (holder.value, holder.seen[1:]) == ("new", [SecretRead("a.setting")])


def test_another_fault_is_told_too_and_the_old_content_mends_both(holder: Holder) -> None:
    holder.look()
    for broken in ("bad one", "bad two"):
        holder.path.write_text(broken)
        holder.look(3)
    holder.path.write_text("old")
    holder.look(3)
    assert [type(each) for each in holder.seen] == [SecretUnreadable, SecretUnreadable, SecretRead]
    assert holder.value == "old"


def test_a_fault_of_one_look_is_not_told(holder: Holder) -> None:
    holder.look()
    holder.path.write_text("bad")
    holder.look()
    holder.path.write_text("new")
    holder.look()
    assert (holder.value, holder.seen) == ("new", [SecretRead("a.setting")])
