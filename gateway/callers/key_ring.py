"""The keys of callers, as their files stand: ``ports.Keys`` (laws K1 and K2).

A file is looked at once a second, off the path of any call, and read when it may have changed, so that a key is given
out, changed or taken back without a restart. Refuses to know a key: it has SHA-256 digests only.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.policies.callers import CallerKeys, KnownCaller, read_digests
from gateway.ports import Observer
from gateway.protocol.observations import KeysRead, KeysUnreadable
from gateway.rereading import EVERY, Stamp, stamp_of

_LARGEST = 64 * 1024


@dataclass(slots=True)
class _File:
    """What was last seen of a file. ``stamp`` tells one state from another; ``fault``: what is wrong with it."""

    digests: frozenset[bytes] = frozenset()
    stamp: Stamp | None = None
    fault: str = field(default="", compare=False)


class KeyRing:
    """Who holds which key. The first look is taken when it is made."""

    def __init__(self, callers: Sequence[CallerKeys], observer: Observer) -> None:
        self._callers = callers
        self._observer = observer
        self._files = {file: _File() for each in callers for file in each.files}
        self._files = {file: _seen(file, known) for file, known in self._files.items()}
        self._holders: dict[bytes, KnownCaller] = {}
        self._hand_out()

    def holder(self, digest: bytes) -> KnownCaller | None:
        """The caller with this key.

        A look-up in a dictionary takes a time that depends on the digest. That gives nothing away: whoever sends a key
        does not choose its SHA-256, so no comparison with a known digest can be steered byte by byte.
        """
        return self._holders.get(digest)

    async def keep_reading(self) -> None:
        """Looks at the files again and again, in a thread, for a file may be on a slow disk; never ends by itself."""
        while self._files:
            await asyncio.sleep(EVERY)
            self._take_in(await asyncio.to_thread(self._look))

    def _look(self) -> dict[str, _File]:
        return {file: _seen(file, known) for file, known in self._files.items()}

    def _take_in(self, seen: dict[str, _File]) -> None:
        before, self._files = self._files, seen
        for file, now in seen.items():
            if now.fault and now.fault != before[file].fault:
                self._observer.observe(KeysUnreadable(file, now.fault))
            if now.digests != before[file].digests:
                self._hand_out()
                self._observer.observe(KeysRead(file, len(now.digests)))

    def _hand_out(self) -> None:
        """Each digest to its caller; one that two have is nobody's, for nobody knows whose call it would be."""
        found: dict[bytes, KnownCaller] = {}
        twice: set[bytes] = set()
        for each in self._callers:
            for digest in each.digests.union(*(self._files[file].digests for file in each.files)):
                if found.setdefault(digest, each.caller) is not each.caller:
                    twice.add(digest)
        self._holders = {digest: caller for digest, caller in found.items() if digest not in twice}
        if twice:
            names = ", ".join(each.caller.label for each in self._callers if each.files)
            self._observer.observe(KeysUnreadable(names, "two of these callers have one key, so that it is nobody's"))


def _seen(file: str, known: _File) -> _File:
    """The file as it is now; as it was ``known`` where it has not changed, or cannot be read."""
    path = Path(file)
    try:
        stamp = stamp_of(path, known.stamp)
        if stamp is None:
            return known
        return _File(read_digests(_content(path)), stamp)
    except FileNotFoundError:
        return _File(fault="it is gone, and so are its keys")
    except OSError as fault:
        return _File(known.digests, None, f"{fault.strerror}; the keys that it held before still count")
    except ValueError as fault:
        return _File(known.digests, None, f"a line {fault}; the keys that it held before still count")


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ValueError("is one of too many: the file is larger than 64KiB")
    return content
