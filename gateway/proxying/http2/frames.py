"""What h2 is not given: the peer's farewell, and what is no HTTP/2 at all.

``GOAWAY`` is read here, because h2 takes nothing more of a connection once it has seen one, while a server that goes
away in order still answers what it has begun (RFC 9113, section 6.8). Knows where frames begin and end, and nothing of
what the others say.
"""

from gateway.proxying.faults import malformed

_HEADER = 9
_SETTINGS, _GOAWAY = 4, 7
# The largest that a frame may be while nobody allows more (RFC 9113, section 4.2): the hop does not.
LARGEST = 16384


class Frames:
    """A connection's frames in any slices. ``last``: the last stream, where the peer has said which that is."""

    __slots__ = ("_begun", "_farewell", "_left", "_rest", "last")

    def __init__(self) -> None:
        self.last: int | None = None
        self._rest = b""
        self._left = 0
        self._begun = False
        self._farewell: bytearray | None = None

    def feed(self, data: bytes) -> bytes:
        """All frames in ``data`` but farewells. Raises ``OutcomeUnknown`` for what is no HTTP/2."""
        if self._rest:
            data, self._rest = self._rest + data, b""
        passed = bytearray()
        position = 0
        while position < len(data):
            if self._left:
                position = self._content(data, position, passed)
                continue
            header = data[position : position + _HEADER]
            if len(header) < _HEADER:
                self._rest = header
                break
            self._header(header, passed)
            position += _HEADER
        return bytes(passed)

    def _header(self, header: bytes, passed: bytearray) -> None:
        length, kind = int.from_bytes(header[:3]), header[3]
        if not self._begun and (kind != _SETTINGS or header[4] or length > LARGEST):
            raise malformed("it does not begin as HTTP/2 does")
        if length > LARGEST or (kind == _GOAWAY and length < 8):
            raise malformed("a frame of it has a size that no frame may have")
        self._begun = True
        self._left = length
        self._farewell = bytearray() if kind == _GOAWAY else None
        if self._farewell is None:
            passed += header

    def _content(self, data: bytes, position: int, passed: bytearray) -> int:
        piece = data[position : position + self._left]
        self._left -= len(piece)
        if self._farewell is None:
            passed += piece
        else:
            self._farewell += piece
            if not self._left:
                last = int.from_bytes(self._farewell[:4]) & 0x7FFF_FFFF
                self.last = last if self.last is None else min(self.last, last)
                self._farewell = None
        return position + len(piece)
