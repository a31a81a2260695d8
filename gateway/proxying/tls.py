"""TLS towards the upstream: who is trusted, and who the gateway says it is.

Knows certificate files and the floor that is not up for choice: TLS 1.2, a verified chain, a matching name, and one
protocol to speak. Refuses to know connections. A context is made for a route at the start, and anew when a file
changes, so that none is read in a call.
"""

import ssl
from typing import NamedTuple

from gateway.errors import ConfigInvalid
from gateway.policies.routing import Target, Tls

HTTP_1 = "http/1.1"


class Contexts(NamedTuple):
    """One for each TLS that a route's connections begin with: the upstream's, and that of the proxy before it."""

    upstream: ssl.SSLContext | None
    proxy: ssl.SSLContext | None


def contexts(target: Target, protocol: str = HTTP_1) -> Contexts:
    """Those of a route; ``ConfigInvalid`` names every file that cannot be used."""
    proxy = target.proxy
    return Contexts(
        client_context(target.tls, protocol) if target.scheme == "https" else None,
        client_context(Tls(proxy.ca)) if proxy is not None and proxy.scheme == "https" else None,
    )


def client_context(tls: Tls, protocol: str = HTTP_1) -> ssl.SSLContext:
    """The context of connections that speak ``protocol``; ``ConfigInvalid`` names every file that cannot be used."""
    complaints: list[str] = []
    context = _trust(tls.ca, complaints)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols([protocol])
    identify(context, tls, complaints)
    if complaints:
        raise ConfigInvalid(*complaints)
    return context


def _trust(ca: str | None, complaints: list[str]) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca)
    except (OSError, ValueError) as fault:
        complaints.append(
            f"The authorities in {ca} cannot be used: name a readable file of PEM certificates ({fault})."
        )
        return ssl.create_default_context()


def identify(context: ssl.SSLContext, tls: Tls, complaints: list[str]) -> None:
    """Loads the certificate and its key, or adds a sentence to ``complaints``."""
    if tls.certificate is None:
        if tls.key is not None:
            complaints.append(f"The key {tls.key} has no certificate beside it: name one, or remove the key.")
        return
    try:
        # Without a password of ours, OpenSSL would ask for one on the terminal.
        context.load_cert_chain(tls.certificate, tls.key, password="")
    except (OSError, ValueError) as fault:
        complaints.append(
            f"The certificate {tls.certificate} cannot be used with its key: name readable PEM files that belong"
            f" together, the key without a password ({fault})."
        )
