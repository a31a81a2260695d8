"""One answer as it arrives, byte for byte: the head, then the body, then the certainty that it has ended.

Knows exactly where an answer ends, which is why bodies are framed here and not by httptools: its callbacks do not say
how many bytes they used, and it swallows line ends between messages, so that a stray byte after an answer would pass
unseen. Refuses to know sockets, time and who is waiting.
"""

from gateway.proxying.arriving import Arriving
from gateway.proxying.chunks import Chunks
from gateway.proxying.faults import cut, malformed
from gateway.proxying.http1 import MAX_HEAD, Framing, Head, read_head

MAX_INFORMATIONAL = 16


class Reading(Arriving):
    """The answer to one request. ``feed`` takes bytes in any slices and raises ``OutcomeUnknown`` for bad ones.

    ``complete``: the last byte has come. ``excess``: bytes came after it, so the connection must not live on.
    """

    __slots__ = ("_bodiless", "_chunks", "_informational", "_left", "_rest", "excess")

    def __init__(self, method: str) -> None:
        # As ``Arriving`` does, without another call for each answer.
        self.head: Head | None = None
        self.complete = False
        self._body = b""
        self.excess = False
        self._bodiless = method == "HEAD"
        self._rest = b""
        self._left = 0
        self._informational = 0
        self._chunks: Chunks | None = None

    @property
    def begun(self) -> bool:
        """Whether any byte of the answer has come."""
        return self.head is not None or bool(self._rest) or self._informational > 0

    def feed(self, data: bytes) -> None:
        """The next bytes of the connection."""
        if self.head is None:
            self._feed_head(self._rest + data if self._rest else data)
        else:
            self._feed_body(self.head, data)

    def end(self) -> None:
        """The peer has said that it sends no more. Raises where that is not the end of the answer."""
        if self.head is not None and self.head.framing is Framing.CLOSE:
            self.complete = True
        if self.complete:
            return
        raise cut(begun=self.begun)

    def _feed_head(self, data: bytes) -> None:
        end = data.find(b"\r\n\r\n") + 4
        if end < 4 or end > MAX_HEAD:
            self._wait_for_head(data)
            return
        head = read_head(data[:end], bodiless=self._bodiless)
        if head.status < 200:
            self._skip_informational(data[end:])
            return
        self._rest = b""
        self.head = head
        if head.framing is Framing.CHUNKED:
            self._chunks = Chunks()
        else:
            self._left = head.length or 0
        self._feed_body(head, data[end:])

    def _wait_for_head(self, data: bytes) -> None:
        if len(data) >= MAX_HEAD:
            raise malformed(f"its head is longer than {MAX_HEAD} bytes")
        if not data.startswith(b"HTTP/1."[: len(data)]):
            raise malformed("it does not begin with HTTP/1")
        self._rest = data

    def _skip_informational(self, rest: bytes) -> None:
        self._informational += 1
        if self._informational > MAX_INFORMATIONAL:
            raise malformed(f"more than {MAX_INFORMATIONAL} informational answers came before it")
        self._rest = b""
        if rest:
            self._feed_head(rest)

    def _feed_body(self, head: Head, data: bytes) -> None:
        if self._chunks is not None:
            piece, extra = self._chunks.feed(data)
            self.add(piece)
            self.complete = self._chunks.complete
            self.excess = bool(extra)
        elif head.framing is Framing.CLOSE:
            self.add(data)
        else:
            self._feed_length(data)

    def _feed_length(self, data: bytes) -> None:
        size = len(data)
        if size > self._left:
            self.excess = True
            data = data[: self._left]
            size = self._left
        self._left -= size
        self.add(data)
        self.complete = not self._left
