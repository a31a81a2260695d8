"""TLS towards the callers: who the gateway says it is.

Knows certificate files and the floor that is not up for choice: TLS 1.2 and HTTP/1.1. Refuses to know connections; a
context is made at the start, and anew when a file changes, so that none is read in a handshake.
"""

import ssl

from gateway.errors import ConfigInvalid
from gateway.policies.routing import Tls
from gateway.proxying.tls import identify


def server_context(tls: Tls) -> ssl.SSLContext:
    """The context of the data listener; ``ConfigInvalid`` where its files cannot be used."""
    complaints: list[str] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    identify(context, tls, complaints)
    if complaints:
        raise ConfigInvalid(*(f"listen.tls: {complaint}" for complaint in complaints))
    return context


def exchange(context: ssl.SSLContext, newer: ssl.SSLContext) -> None:
    """Handshakes that begin from now on at a listener with ``context`` are made with ``newer``; connections stand."""

    def choose(handshake: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        # Asked in every handshake, whether or not the caller names a host (SSL_CTX_set_tlsext_servername_callback(3)).
        handshake.context = newer

    context.sni_callback = choose
