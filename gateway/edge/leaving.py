"""How bytes leave on a downstream connection, and how it is ended: so that its last words are heard.

Closing on unread bytes would reset the connection and take the answer with it (RFC 9112, section 9.6), so the gateway
first says that it sends no more, and drops what still comes for a moment.
"""

import asyncio
import fcntl
import socket
import struct
import sys
import termios
from collections.abc import Callable
from typing import Any

# How long a connection that is being closed may still send what nobody reads, in seconds.
LINGER = 1.0


# ``SO_LINGER``, on, for no time: the connection is reset.
_RESET = struct.pack("ii", 1, 0)


def untaken(transport: asyncio.Transport) -> int:
    """How many bytes wait for the caller, none where none wait outside of the kernel.

    What the kernel holds counts too: its buffer takes more only when a third of it is free, so that a caller who reads
    without a pause would seem to stand still for minutes.
    """
    waiting = transport.get_write_buffer_size()
    if not waiting:
        return 0
    try:
        queued = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
    except OSError:  # A system that does not tell of sockets, or one just closed.
        return waiting
    return waiting + int.from_bytes(queued, sys.byteorder)


def reset(transport: asyncio.Transport) -> None:
    """Breaks off: an answer that would end with its connection must not look whole, and nothing of it is kept for a
    caller who does not read."""
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()


def close_when_heard(loop: asyncio.AbstractEventLoop, transport: asyncio.Transport) -> None:
    """Closes ``transport`` for writing now, and for good a moment later; TLS has a farewell of its own that waits."""
    if transport.is_closing():
        return
    if transport.can_write_eof():
        transport.write_eof()
        loop.call_later(LINGER, transport.close)
    else:
        transport.close()


class Exit:
    """A transport as uvicorn's cycles use it, whose ``write`` and ``close`` are the connection's own."""

    __slots__ = ("abort", "close", "get_extra_info", "is_closing", "write")

    def __init__(self, transport: asyncio.Transport, write: Callable[[bytes], None], close: Callable[[], None]) -> None:
        self.write = write
        self.is_closing: Callable[[], bool] = transport.is_closing
        self.get_extra_info: Callable[..., Any] = transport.get_extra_info
        self.abort: Callable[[], None] = transport.abort
        self.close = close
