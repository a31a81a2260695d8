"""Request bodies: whole and bounded for a guarded call, passed through as they come for others.

A guarded body is read before the claim, because its fingerprint needs every byte and because a half-received body must
never be forwarded. Past a size it waits in an unlinked file, which ends with the last reference to it.
"""

import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from dataclasses import dataclass
from typing import Any

from gateway.protocol.fingerprint import Body

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

# What one call may hold in memory of its body; beyond it goes to disk.
IN_MEMORY = 1024 * 1024
BLOCK = 64 * 1024


class CallerHungUp(Exception):
    """The downstream left before its request was whole."""


class NoRoom(Exception):
    """The body is too large for memory and the disk does not take it; the message says why, without a path."""


@dataclass(frozen=True, slots=True)
class TooLarge:
    """The body is longer than its limit."""


@dataclass(frozen=True, slots=True)
class InMemory:
    """A body in one piece."""

    data: bytes

    @property
    def size(self) -> int:
        """Bytes in all."""
        return len(self.data)

    def chunks(self) -> tuple[bytes, ...]:
        """The one piece, or none."""
        return (self.data,) if self.data else ()


class Spooled:
    """A body in an unlinked temporary file. Raises ``NoRoom`` where it cannot be written."""

    def __init__(self, file: int) -> None:
        # The descriptor itself, not a file object: it is closed by the last reference, wherever the call ends.
        self._file = file
        self.size = 0

    def add(self, data: bytes) -> None:
        """More of the body."""
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._file, view) :]
        except OSError as fault:
            raise _no_room(fault) from fault
        self.size += len(data)

    def chunks(self) -> Iterator[bytes]:
        """The body from its beginning."""
        offset = 0
        while block := os.pread(self._file, BLOCK, offset):
            offset += len(block)
            yield block

    def __del__(self) -> None:
        os.close(self._file)


def _unlinked() -> int:
    try:
        file, path = tempfile.mkstemp(prefix="idempotency-gateway-")
        os.unlink(path)  # noqa: PTH108 - one system call, as close behind its creation as can be
    except OSError as fault:
        raise _no_room(fault) from fault
    return file


def _no_room(fault: OSError) -> NoRoom:
    return NoRoom(f"a request body cannot be put on disk: {fault.strerror}; make room where TMPDIR points.")


def bounded(data: bytes, limit: int) -> Body | TooLarge:
    """A body that is there as a whole."""
    return InMemory(data) if len(data) <= limit else TooLarge()


async def read_whole(receive: Receive, limit: int) -> Body | TooLarge:
    """The whole body; ``CallerHungUp`` where it never gets whole."""
    data, more = await _next(receive)
    if not more:
        return bounded(data, limit)
    pieces, size = [data], len(data)
    spooled: Spooled | None = None
    while more and size <= limit:
        data, more = await _next(receive)
        size += len(data)
        pieces.append(data)
        if spooled is None and size > IN_MEMORY:
            spooled = Spooled(_unlinked())
        if spooled is not None:
            for piece in pieces:
                spooled.add(piece)
            pieces.clear()
    if size > limit:
        return TooLarge()
    return InMemory(b"".join(pieces)) if spooled is None else spooled


async def pass_through(receive: Receive) -> tuple[bytes, ...] | AsyncIterator[bytes]:
    """The body as it comes, once its beginning is there: most come in one piece, and go upstream so with their head."""
    data, more = await _next(receive)
    return _rest(data, receive) if more else InMemory(data).chunks()


async def _rest(data: bytes, receive: Receive) -> AsyncIterator[bytes]:
    """``CallerHungUp`` in the middle of it, so that it never ends as if it were whole."""
    yield data
    more = True
    while more:
        data, more = await _next(receive)
        yield data


async def _next(receive: Receive) -> tuple[bytes, bool]:
    message = await receive()
    if message["type"] != "http.request":
        raise CallerHungUp
    return message.get("body", b""), message.get("more_body", False)
