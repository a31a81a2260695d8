"""The two ends of a line: commands become bytes of one write, bytes become replies, and no task stands in between.

Knows the stream that redis-py leaves behind once it has connected and shaken hands, and hiredis, which writes and reads
RESP. Refuses to know whose a reply is. redis-py's own reading and writing cost a call ten times as much, for they start
two coroutines and a timer for each command.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias, cast

import hiredis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import InvalidResponse, RedisError

from gateway.stores.redis.connecting import hang_up

Word: TypeAlias = bytes | str | int
Reply: TypeAlias = Any

# Not a reply: the rest of one is still to come.
_MORE = object()


def packed(words: Iterable[Word]) -> bytes:
    """One command on the wire."""
    return cast("bytes", hiredis.pack_command(cast("Any", tuple(words))))


class Wire(asyncio.Protocol):
    """A connection that was opened; ``heard`` is told each reply or error, ``lost`` once why no more will come."""

    def __init__(
        self,
        connection: AbstractConnection,
        heard: Callable[[Reply | RedisError], None],
        lost: Callable[[Exception], None],
        writable: Callable[[], None],
    ) -> None:
        """``writable``: there is room for ``write`` again, where ``full`` said there was none."""
        self._connection = connection
        self._heard = heard
        self._lost = lost
        self._writable = writable
        self.full = False
        stream, self._transport, error_of = _left_behind(connection)
        self._replies = hiredis.Reader(protocolError=InvalidResponse, replyError=error_of, notEnoughData=_MORE)
        self._theirs = cast("asyncio.Protocol", self._transport.get_protocol())
        self._transport.set_protocol(self)
        # A server that spoke before it was asked, or has gone already, told the stream and not this protocol.
        if stream.at_eof() or stream._buffer:  # noqa: SLF001 - how much there is to read is asked in no other way
            asyncio.get_running_loop().call_soon(lost, ConnectionError("the server spoke before it was asked"))

    def write(self, data: bytes) -> None:
        """Hands bytes to the socket."""
        self._transport.write(data)

    async def close(self) -> None:
        """Hangs up, with the good-byes of TLS where they are heard soon."""
        await hang_up(self._connection)

    def data_received(self, data: bytes) -> None:
        """Replies, whole or in part."""
        try:
            self._replies.feed(data)
            while (reply := self._replies.gets()) is not _MORE:
                self._heard(reply)
        except InvalidResponse as error:
            self._lost(error)

    def eof_received(self) -> None:
        """The server hangs up; so does this side."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more comes. redis-py's protocol is told too, for whoever hangs up waits until it knows."""
        self._lost(exc or ConnectionError("the server closed the connection"))
        self._theirs.connection_lost(exc)

    def pause_writing(self) -> None:
        """The network takes no more for now."""
        self.full = True

    def resume_writing(self) -> None:
        """It does again."""
        self.full = False
        self._writable()


def _left_behind(connection: AbstractConnection) -> tuple[Any, asyncio.Transport, Callable[[str], Exception]]:
    """A connection's stream, its transport, and what makes an error of the server's words.

    redis-py shows none of them; its versions are pinned, and without them not one test of this store passes.
    """
    writer: Any = connection._writer  # noqa: SLF001
    return connection._reader, writer.transport, connection._parser.parse_error  # noqa: SLF001
