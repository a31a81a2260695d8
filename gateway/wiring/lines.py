"""What a crew and its workers tell each other: a line of JSON each, over a pair of connected sockets.

Knows the form of a line. Refuses to know what is told. The end of the other process is the end of the lines.
"""

import asyncio
import json
from socket import socket
from typing import Any, Self

# The counts of a worker with many routes are long; nothing else is.
LONGEST = 8 * 1024 * 1024


class Lines:
    """One end of the pair."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, end: socket) -> Self:
        """Reads and writes ``end``, which is its own from now on."""
        return cls(*await asyncio.open_connection(sock=end, limit=LONGEST))

    def tell(self, word: str, **facts: Any) -> None:  # noqa: ANN401 - whatever JSON holds
        """Hands a line over; whether the other one still reads, its silence will tell."""
        if not self._writer.is_closing():
            self._writer.write(json.dumps({"word": word, **facts}).encode() + b"\n")

    async def heard(self) -> dict[str, Any] | None:
        """The next line, ``None`` when the other process has ended."""
        try:
            line = await self._reader.readline()
        except ConnectionError:
            return None
        return json.loads(line) if line.endswith(b"\n") else None

    def close(self) -> None:
        """Says nothing any more."""
        self._writer.close()
