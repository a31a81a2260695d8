"""What h2 is not given: the peer's farewell, and what is no HTTP/2 at all; the rest it is given frame by frame.

``GOAWAY`` is read here, because h2 takes nothing more of a connection once it has seen one, while a server that goes
away in order still answers what it has begun (RFC 9113, section 6.8). One by one, because h2 tells nothing of the good
frames before a bad one: an answer that came whole was an answer, whatever came behind it. Knows where frames begin and
end, and nothing of what the others say.
"""

from collections.abc import Iterator
from typing import NamedTuple

from gateway.proxying.faults import malformed

_HEADER = 9
_SETTINGS, _GOAWAY = 4, 7
# The largest that a frame may be while nobody allows more (RFC 9113, section 4.2): the hop does not.
LARGEST = 16384


class Farewell(NamedTuple):
    """``last``: the last stream that the peer may have processed (RFC 9113, section 6.8)."""

    last: int


class Frames:
    """A connection's frames in any slices."""

    __slots__ = ("_begun", "_rest")

    def __init__(self) -> None:
        self._rest = bytearray()
        self._begun = False

    def feed(self, data: bytes) -> Iterator[bytes | Farewell]:
        """Each frame that is whole now. Raises ``OutcomeUnknown`` at what is no HTTP/2."""
        rest, position = self._rest, 0
        rest += data
        while len(rest) - position >= _HEADER:
            length, kind = int.from_bytes(rest[position : position + 3]), rest[position + 3]
            self._judge(length, kind, rest[position + 4])
            end = position + _HEADER + length
            if len(rest) < end:
                break
            frame = bytes(rest[position:end])
            position = end
            if kind == _GOAWAY:
                yield Farewell(int.from_bytes(frame[_HEADER : _HEADER + 4]) & 0x7FFF_FFFF)
            else:
                yield frame
        del rest[:position]

    def _judge(self, length: int, kind: int, flags: int) -> None:
        if not self._begun and (kind != _SETTINGS or flags or length > LARGEST):
            raise malformed("it does not begin as HTTP/2 does")
        if length > LARGEST or (kind == _GOAWAY and length < 8):
            raise malformed("a frame of it has a size that no frame may have")
        self._begun = True
