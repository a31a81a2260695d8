"""What has come of an answer and was not taken: its head, its body so far, whether that was all.

Refuses to know how it came; whoever reads the connection fills it in.
"""

from gateway.proxying.http1 import Head


class Arriving:
    """``head`` is ``None`` until it has come; ``complete``: the last byte has."""

    __slots__ = ("_body", "complete", "head")

    def __init__(self) -> None:
        self.head: Head | None = None
        self.complete = False
        self._body: bytes | bytearray = b""

    @property
    def buffered(self) -> int:
        """How many bytes of the body have come and were not taken."""
        return len(self._body)

    def take(self) -> bytes:
        """What has come of the body, once."""
        body = bytes(self._body)
        self._body = b""
        return body

    def peek(self) -> bytes:
        """What has come of the body and was not taken."""
        body = self._body = bytes(self._body)
        return body

    def add(self, piece: bytes | bytearray) -> None:
        """More of the body."""
        # One growing buffer, not a list of pieces: an answer dripped byte by byte must not cost forty bytes a byte.
        if not self._body:
            self._body = piece
        elif isinstance(self._body, bytearray):
            self._body += piece
        else:
            self._body = bytearray(self._body) + piece
