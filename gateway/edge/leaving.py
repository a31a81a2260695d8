"""How the gateway ends a downstream connection: so that its last words are heard.

Closing on unread bytes would reset the connection and take the answer with it (RFC 9112, section 9.6), so the gateway
first says that it sends no more, and drops what still comes for a moment.
"""

import asyncio
from collections.abc import Callable
from typing import Any

# How long a connection that is being closed may still send what nobody reads, in seconds.
LINGER = 1.0


def close_when_heard(loop: asyncio.AbstractEventLoop, transport: asyncio.Transport) -> None:
    """Closes ``transport`` for writing now, and for good a moment later."""
    if transport.is_closing():
        return
    if transport.can_write_eof():
        transport.write_eof()
    loop.call_later(LINGER, transport.close)


class Exit:
    """A transport as uvicorn's cycles use it, whose ``close`` is the connection's own."""

    __slots__ = ("abort", "close", "get_extra_info", "is_closing", "write")

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self.write: Callable[[bytes], None] = transport.write
        self.is_closing: Callable[[], bool] = transport.is_closing
        self.get_extra_info: Callable[..., Any] = transport.get_extra_info
        self.abort: Callable[[], None] = transport.abort
        self.close = close
