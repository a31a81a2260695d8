"""What a route's upstream says of the way there, its protocol and the proxy on it; places begin at the upstream."""

from collections.abc import Iterator

from gateway.config.settings import UpstreamSettings

Path = tuple[str, ...]
Complaints = Iterator[tuple[Path, str]]


def way_complaints(upstream: UpstreamSettings, readable: frozenset[str]) -> Complaints:
    """Settings of the way to an upstream that do not go together; ``readable`` names the parts that may be judged."""
    if "proxy" not in readable:
        return
    proxy = upstream.proxy
    if "believe_refusals" in upstream.model_fields_set and upstream.http != "2":
        yield ("believe_refusals",), 'has no effect: HTTP/1.1 has no refusals; remove it, or write http: "2"'
    if proxy is not None and upstream.http == "2" and "url" in readable and upstream.url.scheme == "http":
        told = "cannot be spoken through a proxy to a URL that begins with http://, which is forwarded as HTTP/1.1"
        yield ("http",), f'{told}; write https://, or http: "1.1"'
    if upstream.proxy_ca is not None and (proxy is None or proxy.scheme != "https"):
        told = "has no effect: there is no proxy whose URL begins with https://"
        yield ("proxy_ca",), f"{told}; remove it, or add one"
    if proxy is not None and upstream.refuse_private_addresses:
        told = "cannot be kept with a proxy, which looks up the upstream's name and connects to it"
        yield ("refuse_private_addresses",), f"{told}; have the proxy refuse them, and remove the setting here"
