"""Files that are read again when they change: how a change is seen, how often somebody looks, and what is told of it.

A file is looked at once a second, off the path of any call and in a thread, for it may be on a slow disk. What cannot
be used leaves in place what was there before. Refuses to know what a file holds: a ``Source`` makes of it what it is
for.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from gateway.errors import ConfigInvalid
from gateway.ports import KEYS_SEEN, Observer
from gateway.protocol.observations import SecretRead, SecretUnreadable

# Seconds between two looks; K2 of ``ports.Keys`` has room for one that takes long.
EVERY = KEYS_SEEN / 2

# In nanoseconds. A file may be written twice within one tick of its clock: what is as young as this is read anyway.
_YOUNG = 3 * 10**9

Stamp: TypeAlias = tuple[int, ...]

# Puts in its place what was made of files.
Exchange: TypeAlias = Callable[[], None]


def stamp_of(path: Path, known: Stamp | None) -> Stamp | None:
    """What tells one state of a file from another; ``None`` where it is certainly as it was ``known``. ``OSError``."""
    told = path.stat()
    stamp = told.st_dev, told.st_ino, told.st_size, told.st_mtime_ns
    return None if stamp == known and time.time_ns() - told.st_mtime_ns > _YOUNG else stamp


def digest_of(files: Iterable[str]) -> bytes | None:
    """A digest of what the files hold; ``None`` where one of them cannot be read."""
    found = hashlib.sha256()
    for file in files:
        try:
            content = Path(file).read_bytes()
        except (OSError, ValueError):
            return None
        found.update(len(content).to_bytes(8, "big") + content)
    return found.digest()


@dataclass(slots=True, eq=False)
class Source:
    """A setting that is made of files. ``name``: the setting, for people. ``read``: makes it anew, in a thread, and
    gives what puts it in its place, or ``None`` where it is what it was; ``ValueError`` or ``ConfigInvalid`` with a
    sentence that holds no secret. ``digest``: of the files as they were when it was made, where that is known."""

    name: str
    files: tuple[str, ...]
    read: Callable[[], Exchange | None]
    digest: bytes | None = field(default=None, repr=False)
    fault: str = ""
    told: str = ""
    _stamps: dict[str, Stamp] = field(default_factory=dict[str, Stamp])

    def look(self) -> "_Look | None":
        """What came of a look; ``None`` where all is as it was."""
        if not self._may_differ() and not self.fault:
            return None
        digest = digest_of(self.files)
        if digest is not None and digest == self.digest and not self.fault:
            return None
        try:
            return _Look(digest, self.read())
        except ConfigInvalid as fault:
            return _Look(digest, fault=" ".join(fault.complaints))
        except ValueError as fault:
            return _Look(digest, fault=str(fault))

    def _may_differ(self) -> bool:
        differs = False
        for file in self.files:
            try:
                stamp = stamp_of(Path(file), self._stamps.get(file))
            except OSError:
                self._stamps.pop(file, None)
                differs = True
                continue
            if stamp is not None:
                self._stamps[file] = stamp
                differs = True
        return differs


@dataclass(frozen=True, slots=True)
class _Look:
    digest: bytes | None
    exchange: Exchange | None = None
    fault: str = ""


class Rereading:
    """Every source of a process."""

    def __init__(self, sources: Sequence[Source], observer: Observer) -> None:
        self._sources = sources
        self._observer = observer

    async def keep_reading(self) -> None:
        """Looks again and again; never ends by itself, save where there is nothing to look at."""
        while self._sources:
            await asyncio.sleep(EVERY)
            for source, look in await asyncio.to_thread(self._looks):
                self._take_in(source, look)

    def _looks(self) -> list[tuple[Source, _Look]]:
        """What came of a look at each; those that are as they were are left out."""
        looks = ((source, source.look()) for source in self._sources)
        return [(source, look) for source, look in looks if look is not None]

    def _take_in(self, source: Source, look: _Look) -> None:
        if look.fault:
            # Two files of one pair change one after the other: only what lasts for two looks is a fault.
            if look.fault == source.fault != source.told:
                source.told = look.fault
                self._observer.observe(SecretUnreadable(source.name, look.fault))
            source.fault = look.fault
            return
        source.digest, source.fault = look.digest, ""
        if look.exchange is not None:
            look.exchange()
        if look.exchange is not None or source.told:
            source.told = ""
            self._observer.observe(SecretRead(source.name))
