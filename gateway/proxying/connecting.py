"""From a target to a socket that can be written to: name, TCP, a proxy's tunnel, TLS, each with faults of its own.

Knows that whatever fails here failed before the first byte of a request, so every fault is ``NotSent``. Refuses to know
pools and HTTP, proxies named by the environment, and any host but the route's: its upstream's, or its proxy's.
"""

import asyncio
import socket
import ssl
from typing import NamedTuple

from gateway.errors import NotSent
from gateway.policies.addresses import private
from gateway.policies.routing import Proxy, Target
from gateway.proxying.spares import Spares
from gateway.proxying.tls import Contexts
from gateway.proxying.tunnelling import Tunnel

SocketAddress = tuple[int, int, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]

# OpenSSL's word for the alert (RFC 7301, section 3.2), to which Python gives no name of its own.
_NO_ALPN = "no application protocol"


class _Place(NamedTuple):
    """Who is connected to; ``name`` is for sentences."""

    host: str
    port: int
    name: str


async def connect(target: Target, contexts: Contexts, line: asyncio.Protocol, spares: Spares) -> None:
    """Connects ``line`` within the target's ``connect`` time. Raises ``NotSent``: ``dns``, ``refused``, ``connect``,
    ``tls``, ``http-version``, ``proxy``, ``private-address`` or ``connect-timeout``."""
    seconds = target.timeouts.connect.total_seconds()
    try:
        async with asyncio.timeout(seconds):
            if target.proxy is None:
                await _connect(target, contexts, line, spares)
            else:
                await _connect_through(target.proxy, target, contexts, line, spares)
    except TimeoutError:
        raise NotSent(
            "connect-timeout",
            f"Nothing was sent: {_way_to(target)} did not take the connection within {seconds:g} s; try again.",
        ) from None


async def _connect(target: Target, contexts: Contexts, line: asyncio.Protocol, spares: Spares) -> None:
    place = _Place(target.host, target.port, target.origin)
    found = allowed(target, await resolve(place.host, place.port))
    sock = await _dial(place, found, target.timeouts.connect.total_seconds(), spares)
    await _open(place, sock, contexts.upstream, line)


async def _connect_through(
    proxy: Proxy, target: Target, contexts: Contexts, line: asyncio.Protocol, spares: Spares
) -> None:
    """By a proxy that forwards, or through the tunnel that it opens. The upstream's name is the proxy's to look up."""
    place = _Place(proxy.host, proxy.port, f"the proxy {proxy.origin}")
    found = await resolve(place.host, place.port)
    sock = await _dial(place, found, target.timeouts.connect.total_seconds(), spares)
    if contexts.upstream is None:
        await _open(place, sock, contexts.proxy, line)
        return
    tunnel = Tunnel(proxy, target)
    try:
        await _open(place, sock, contexts.proxy, tunnel)
        await tunnel.opened()
        await _secure(tunnel, target, contexts.upstream, line)
    except BaseException:
        tunnel.abort()
        raise


def _way_to(target: Target) -> str:
    return target.origin if target.proxy is None else f"the proxy {target.proxy.origin}, on the way to {target.origin},"


async def resolve(host: str, port: int) -> list[SocketAddress]:
    """The addresses of a name at this moment; ``NotSent`` (``dns``) where it has none."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    except (OSError, UnicodeError) as fault:
        raise NotSent(
            "dns", f"Nothing was sent: the name {host} was not found ({fault}); check it and the name servers."
        ) from fault
    return [(family, proto, address) for family, _, proto, _, address in found]


def allowed(target: Target, addresses: list[SocketAddress]) -> list[SocketAddress]:
    """Those that may be connected to: what is judged here is what is connected to, not another answer to the name."""
    if not target.refuse_private_addresses:
        return addresses
    public = [address for address in addresses if not private(str(address[2][0]))]
    if addresses and not public:
        raise NotSent(
            "private-address",
            f"Nothing was sent: {target.origin} is at a private address ({addresses[0][2][0]}), which"
            " upstream.refuse_private_addresses refuses; mend the name, or take the setting out.",
        )
    return public


async def _dial(place: _Place, addresses: list[SocketAddress], seconds: float, spares: Spares) -> socket.socket:
    # Each address has its share of the time, so that a silent first one leaves some for the second.
    share = seconds / max(len(addresses), 1)
    last: OSError = OSError("the name has no address")
    for address in addresses:
        try:
            async with asyncio.timeout(share):
                return await _tcp(address, spares)
        except OSError as fault:
            last = fault
    if isinstance(last, TimeoutError):
        raise last
    if isinstance(last, ConnectionRefusedError):
        raise NotSent(
            "refused",
            f"Nothing was sent: {place.name} refused the connection; check that it listens, then try again.",
        ) from last
    raise NotSent(
        "connect", f"Nothing was sent: no connection to {place.name} ({last}); check the way there, then try again."
    ) from last


async def _tcp(address: SocketAddress, spares: Spares) -> socket.socket:
    family, proto, name = address
    sock = spares.open(lambda: socket.socket(family, socket.SOCK_STREAM, proto))
    sock.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(sock, name)
    except BaseException:
        sock.close()
        raise
    return sock


async def _open(place: _Place, sock: socket.socket, context: ssl.SSLContext | None, line: asyncio.Protocol) -> None:
    loop = asyncio.get_running_loop()
    try:
        if context is None:
            await loop.create_connection(lambda: line, sock=sock)
        else:
            await loop.create_connection(lambda: line, sock=sock, ssl=context, server_hostname=place.host)
    except TimeoutError:
        raise
    except OSError as fault:
        raise _no_talk(place.name, fault, secure=context is not None) from fault


async def _secure(tunnel: Tunnel, target: Target, context: ssl.SSLContext, line: asyncio.Protocol) -> None:
    """TLS with the upstream itself, through the tunnel: the proxy carries bytes that it cannot read."""
    loop = asyncio.get_running_loop()
    try:
        transport = await loop.start_tls(tunnel.transport, line, context, server_hostname=target.host)
    except TimeoutError:
        raise
    except (OSError, TypeError) as fault:  # asyncio's own TypeError, up to Python 3.11, where TLS within TLS fails.
        raise _no_talk(target.origin, fault, secure=True) from fault
    if transport is None:
        raise _no_talk(target.origin, ConnectionResetError("the connection is gone"), secure=True)
    line.connection_made(transport)


def _no_talk(name: str, fault: Exception, *, secure: bool) -> NotSent:
    if _NO_ALPN in str(fault):
        told = f"{name} took the connection, but speaks no version of HTTP that it was offered (ALPN)"
        return NotSent("http-version", f"Nothing was sent: {told}; set upstream.http to one that it speaks.")
    return NotSent(
        "tls" if secure else "connect",
        f"Nothing was sent: {name} took the connection, but not the talk ({fault});"
        " check scheme, certificates and names.",
    )
