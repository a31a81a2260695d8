"""A tunnel through an HTTP proxy: one CONNECT and the proxy's answer to it (RFC 9110, section 9.3.6).

Knows that these are words between the gateway and its proxy, and no byte of anybody's request: whatever fails here is
``NotSent``. Refuses to know what the tunnel is for.
"""

import asyncio
from typing import cast

from gateway.errors import NotSent, OutcomeUnknown
from gateway.policies.routing import Proxy, Target
from gateway.protocol.headers import Headers
from gateway.proxying.http1 import write_head
from gateway.proxying.reading import Reading


class Tunnel(asyncio.Protocol):
    """A connection to a proxy, from CONNECT to the proxy's answer; then its ``transport`` is for whoever comes next."""

    transport: asyncio.Transport

    def __init__(self, proxy: Proxy, target: Target) -> None:
        self._proxy = proxy
        self._target = target
        # An answer to CONNECT that opens the tunnel has no body, whatever it says; of any other the head is enough.
        self._reading = Reading("HEAD")
        self._answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def opened(self) -> None:
        """Returns when the tunnel is open; raises ``NotSent`` (``proxy``) where the proxy opens none."""
        await self._answered
        head = self._reading.head
        if head is None or not 200 <= head.status < 300:
            raise self._refused(f"it answered {head.status if head else 'nothing'}")
        if self._reading.excess:
            raise self._refused("bytes came through it before any were asked for")

    def abort(self) -> None:
        """Ends the connection, however far it came."""
        # One whose TLS has failed is ending already; asyncio's, up to Python 3.11.3, falls over a second word.
        if hasattr(self, "transport") and not self.transport.is_closing():
            self.transport.abort()
        if not self._answered.cancel() and not self._answered.cancelled():
            self._answered.exception()  # Whoever aborts has heard why, or does not want to.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """``asyncio``: connected to the proxy, TLS with it included."""
        self.transport = cast("asyncio.Transport", transport)
        host = f"[{self._target.host}]" if ":" in self._target.host else self._target.host
        place = f"{host}:{self._target.port}".encode("ascii")
        known = self._proxy.authorization
        fields: Headers = ((b"Proxy-Authorization", known),) if known else ()
        self.transport.write(write_head("CONNECT", place, place, fields, b""))

    def data_received(self, data: bytes) -> None:
        """``asyncio``: of the proxy's answer, which is the first that there is to hear."""
        if self._answered.done():
            self._reading.excess = True
            return
        try:
            self._reading.feed(data)
        except OutcomeUnknown as fault:
            self._fail(f"its answer cannot be read ({fault})")
            return
        if self._reading.complete:
            self._answered.set_result(None)

    def eof_received(self) -> None:
        """``asyncio``: the proxy sends no more."""
        self._fail("it hung up")

    def connection_lost(self, exc: Exception | None) -> None:
        """``asyncio``: gone."""
        self._fail(f"the connection broke ({exc})" if exc else "it hung up")

    def _fail(self, why: str) -> None:
        if not self._answered.done():
            self._answered.set_exception(self._refused(why))

    def _refused(self, why: str) -> NotSent:
        return NotSent(
            "proxy",
            f"Nothing was sent: the proxy {self._proxy.origin} opened no way to {self._target.origin}: {why};"
            " check upstream.proxy and what the proxy allows.",
        )
