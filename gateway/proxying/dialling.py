"""How questions are kept from addresses that a route refuses: httpx2's transport over connections dialled here.

Knows that a name is looked up once, judged, and connected to by the very address that was judged. Refuses to know what
is asked.
"""

import ssl
from collections.abc import Iterable
from typing import cast

import httpcore2
import httpx2

from gateway.policies.routing import Target
from gateway.proxying.connecting import allowed, resolve


class _Dialling(httpcore2.AsyncNetworkBackend):
    """Connects where ``target`` allows it, to one address after the other."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._tcp = cast("httpcore2.AsyncNetworkBackend", httpcore2.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore2's own signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """The first connection that comes about; ``NotSent`` where no address may be connected to."""
        fault: httpcore2.ConnectError = httpcore2.ConnectError("the name has no address")
        for _, _, name in allowed(self._target, await resolve(host, port)):
            try:
                return await self._tcp.connect_tcp(str(name[0]), port, timeout, local_address, socket_options)
            except httpcore2.ConnectError as refused:
                fault = refused
        raise fault


class _Judging(httpx2.AsyncHTTPTransport):
    """httpx2's transport takes no network of its own, so its pool is made here."""

    def __init__(
        self, target: Target, context: ssl.SSLContext, limits: httpx2.Limits, protocols: tuple[bool, bool]
    ) -> None:
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=context,
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            http1=protocols[0],
            http2=protocols[1],
            network_backend=_Dialling(target),
        )


def judging(
    target: Target, context: ssl.SSLContext, limits: httpx2.Limits, protocols: tuple[bool, bool] = (True, False)
) -> httpx2.AsyncHTTPTransport:
    """A transport that connects to no address that ``target`` refuses; ``protocols``: HTTP/1.1 and HTTP/2."""
    return _Judging(target, context, limits, protocols)
