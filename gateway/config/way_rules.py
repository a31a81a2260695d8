"""What a route's upstream says of the way there: the proxy on it; places are given from the upstream on."""

from collections.abc import Iterator

from gateway.config.settings import UpstreamSettings

Path = tuple[str, ...]
Complaints = Iterator[tuple[Path, str]]


def way_complaints(upstream: UpstreamSettings, readable: frozenset[str]) -> Complaints:
    """Settings of the way to an upstream that do not go together; ``readable`` names the parts that may be judged."""
    if "proxy" not in readable:
        return
    proxy = upstream.proxy
    if upstream.proxy_ca is not None and (proxy is None or proxy.scheme != "https"):
        told = "has no effect: there is no proxy whose URL begins with https://"
        yield ("proxy_ca",), f"{told}; remove it, or add one"
    if proxy is not None and upstream.refuse_private_addresses:
        told = "cannot be kept with a proxy, which looks up the upstream's name and connects to it"
        yield ("refuse_private_addresses",), f"{told}; have the proxy refuse them, and remove the setting here"
