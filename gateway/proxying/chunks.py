"""The chunked coding of a body (RFC 9112, section 7.1), in any slices.

Knows sizes, extensions, which mean nothing here, and trailers, which are read and dropped: a field that comes late was
not there when the head was judged. Refuses to know heads and sockets.
"""

import re
from collections.abc import Callable

from gateway.proxying.faults import malformed
from gateway.proxying.http1 import MAX_HEAD, SAYS_THE_LENGTH

_MAX_SIZE_LINE = 1024

_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;[\t\x20-\x7e\x80-\xff]*)?")
_TRAILER = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[\t\x20-\x7e\x80-\xff]*")


class Chunks:
    """A chunked body without its chunks. ``complete``: the last line has come."""

    __slots__ = ("_left", "_rest", "_step", "_trailing", "complete")

    def __init__(self) -> None:
        self.complete = False
        self._rest = b""
        self._left = 0
        self._trailing = 0
        # A plain function, not a bound method, which would make a cycle of every chunked answer.
        self._step: _Step = Chunks._size

    def feed(self, data: bytes) -> tuple[bytearray, bytes]:
        """The content in ``data``, and the bytes after the end."""
        if self._rest:
            data = self._rest + data
        content = bytearray()
        position = 0
        while not self.complete:
            following = self._step(self, data, position, content)
            if following is None:
                break
            position = following
        rest = data[position:]
        self._rest = b"" if self.complete else rest
        return content, rest if self.complete else b""

    def _line(self, data: bytes, position: int, limit: int) -> bytes | None:
        end = data.find(b"\n", position, position + limit)
        if end < 0:
            if len(data) - position >= limit:
                raise malformed("a line of its chunked body is too long")
            return None
        if end == position or data[end - 1] != 0x0D:
            raise malformed("a line of its chunked body ends without a carriage return")
        return data[position : end - 1]

    def _size(self, data: bytes, position: int, _: bytearray) -> int | None:
        line = self._line(data, position, _MAX_SIZE_LINE)
        if line is None:
            return None
        match = _SIZE_LINE.fullmatch(line)
        if match is None:
            raise malformed("a chunk's size is no hexadecimal number")
        self._left = int(match[1], 16)
        self._step = Chunks._content if self._left else Chunks._trailer
        return position + len(line) + 2

    def _content(self, data: bytes, position: int, content: bytearray) -> int | None:
        piece = data[position : position + self._left]
        if not piece:
            return None
        content += piece
        self._left -= len(piece)
        if not self._left:
            self._step = Chunks._content_end
        return position + len(piece)

    def _content_end(self, data: bytes, position: int, _: bytearray) -> int | None:
        end = data[position : position + 2]
        if not b"\r\n".startswith(end):
            raise malformed("a chunk is longer than its size")
        if len(end) < 2:
            return None
        self._step = Chunks._size
        return position + 2

    def _trailer(self, data: bytes, position: int, _: bytearray) -> int | None:
        line = self._line(data, position, MAX_HEAD - self._trailing)
        if line is None:
            return None
        self._trailing += len(line) + 2
        if not line:
            self.complete = True
        else:
            _judge_trailer(line)
        return position + len(line) + 2


def _judge_trailer(line: bytes) -> None:
    """A trailer is dropped, but not one that says where the answer ends: another reader would believe it."""
    match = _TRAILER.fullmatch(line)
    if match is None:
        raise malformed("a trailer is no header field")
    if match[1].lower() in SAYS_THE_LENGTH:
        raise malformed(f"a trailer is {match[1].decode('ascii')}, which says where an answer ends")


_Step = Callable[[Chunks, bytes, int, bytearray], int | None]
