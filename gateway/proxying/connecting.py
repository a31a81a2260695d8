"""From a target to a socket that can be written to: name, TCP, TLS, each phase with faults of its own.

Knows that whatever fails here failed before the first byte of a request, so every fault is ``NotSent``. Refuses to know
pools and HTTP, proxies named by the environment, and any host but the route's.
"""

import asyncio
import socket
import ssl

from gateway.errors import NotSent
from gateway.policies.addresses import private
from gateway.policies.routing import Target
from gateway.proxying.spares import Spares

_Address = tuple[int, int, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]


async def connect(target: Target, context: ssl.SSLContext | None, line: asyncio.Protocol, spares: Spares) -> None:
    """Connects ``line`` within the target's ``connect`` time. Raises ``NotSent``: ``dns``, ``refused``, ``connect``,
    ``tls``, ``private-address`` or ``connect-timeout``."""
    seconds = target.timeouts.connect.total_seconds()
    try:
        async with asyncio.timeout(seconds):
            sock = await _dial(target, _allowed(target, await _resolve(target)), seconds, spares)
            await _open(target, sock, context, line)
    except TimeoutError:
        raise NotSent(
            "connect-timeout",
            f"Nothing was sent: {target.origin} did not take the connection within {seconds:g} s; try again.",
        ) from None


async def _resolve(target: Target) -> list[_Address]:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    except (OSError, UnicodeError) as fault:
        raise NotSent(
            "dns", f"Nothing was sent: the name {target.host} was not found ({fault}); check it and the name servers."
        ) from fault
    return [(family, proto, address) for family, _, proto, _, address in found]


def _allowed(target: Target, addresses: list[_Address]) -> list[_Address]:
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


async def _dial(target: Target, addresses: list[_Address], seconds: float, spares: Spares) -> socket.socket:
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
            f"Nothing was sent: {target.origin} refused the connection; check that it listens, then try again.",
        ) from last
    raise NotSent(
        "connect", f"Nothing was sent: no connection to {target.origin} ({last}); check the way there, then try again."
    ) from last


async def _tcp(address: _Address, spares: Spares) -> socket.socket:
    family, proto, name = address
    sock = spares.open(lambda: socket.socket(family, socket.SOCK_STREAM, proto))
    sock.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(sock, name)
    except BaseException:
        sock.close()
        raise
    return sock


async def _open(target: Target, sock: socket.socket, context: ssl.SSLContext | None, line: asyncio.Protocol) -> None:
    loop = asyncio.get_running_loop()
    try:
        if context is None:
            await loop.create_connection(lambda: line, sock=sock)
        else:
            await loop.create_connection(lambda: line, sock=sock, ssl=context, server_hostname=target.host)
    except TimeoutError:
        raise
    except OSError as fault:
        reason = "connect" if context is None else "tls"
        raise NotSent(
            reason,
            f"Nothing was sent: {target.origin} took the connection, but not the talk ({fault});"
            " check scheme, certificates and names.",
        ) from fault
