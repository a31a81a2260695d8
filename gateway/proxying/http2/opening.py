"""Whether a connection has come to speak HTTP/2: agreed on over TLS, and answered with what the upstream allows.

Knows that nothing was sent until then: the preface and SETTINGS are no byte of a request. Refuses to know frames.
"""

import asyncio

from gateway.errors import NotSent

PROTOCOL = "h2"


class Opening:
    """From the first try to the upstream's first word."""

    def __init__(self, loop: asyncio.AbstractEventLoop, origin: str) -> None:
        self._origin = origin
        self._news: asyncio.Future[None] = loop.create_future()
        self._news.add_done_callback(_heard)

    async def done(self) -> None:
        """Returns when the upstream has said what it allows; raises ``NotSent`` where it does not speak HTTP/2."""
        await self._news

    def agree(self, transport: asyncio.BaseTransport) -> bool:
        """Whether HTTP/2 may be spoken: over TLS both sides have to have agreed on it (ALPN)."""
        secure = transport.get_extra_info("ssl_object")
        if secure is None or secure.selected_alpn_protocol() == PROTOCOL:
            return True
        self._fail('it did not agree on HTTP/2 (ALPN); let it, or write upstream.http: "1.1"')
        return False

    def succeed(self) -> None:
        """The upstream has said what it allows; harmless when it says so again."""
        if not self._news.done():
            self._news.set_result(None)

    def end(self) -> None:
        """The connection is gone; harmless when it had opened."""
        self._fail("it does not speak HTTP/2 there, or hung up before it did; check the port, or upstream.http")

    def exhausted(self, why: str) -> NotSent:
        """Where a connection that has opened is of no use for one more call."""
        return NotSent(
            "connect", f"Nothing was sent: a connection to {self._origin} can carry no more ({why}); try again."
        )

    def _fail(self, why: str) -> None:
        if not self._news.done():
            told = f"Nothing was sent: {self._origin} took the connection, but {why}."
            self._news.set_exception(NotSent("http-version", told))


def _heard(news: asyncio.Future[None]) -> None:
    """Whoever waited hears why it did not open; perhaps nobody waits any more."""
    if not news.cancelled():
        news.exception()
