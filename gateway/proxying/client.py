"""Questions to an upstream, over httpx2: ``ports.Inquirer`` (laws A1 to A3).

For what may be repeated and is nobody's call: the guarded hop is ``hop``. It works on httpx2's transport, below the
client that would follow redirects, take proxies and credentials from the environment, keep cookies, and log each URL
with its query. A question goes the way of the route's calls: by its proxy, and to no address that the route refuses.
Refuses to know what a question is about.
"""

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import httpx2

from gateway.errors import ConfigInvalid, NotSent
from gateway.policies.reconciling import Question, Told, Untold
from gateway.policies.routing import Proxy, Target, Tls
from gateway.protocol.headers import Header
from gateway.proxying.dialling import judging
from gateway.proxying.tls import client_context

# Identity, so that what is bounded on the wire is bounded in memory too.
_OWN: tuple[Header, ...] = (
    (b"Accept", b"application/json"),
    (b"Accept-Encoding", b"identity"),
    (b"User-Agent", b"idempotency-gateway"),
)

_LIMITS = httpx2.Limits(max_connections=64, max_keepalive_connections=8, keepalive_expiry=1.0)

# What became of a question, by the fault that it ended with; the first that matches.
_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (TimeoutError, "timeout"),
    (httpx2.TimeoutException, "timeout"),
    (httpx2.ConnectError, "unreachable"),
    (httpx2.ProxyError, "unreachable"),
    (NotSent, "unreachable"),
    (httpx2.ProtocolError, "malformed"),
    (httpx2.InvalidURL, "malformed"),
    (httpx2.TransportError, "reset"),
)
_FAULTS = tuple(fault for fault, _ in _REASONS)


class _Way(NamedTuple):
    """What a transport is made for."""

    tls: Tls | None
    proxy: Proxy | None
    refusing: bool
    protocols: tuple[bool, bool]


class HttpInquirer:
    """A transport for each way that questions go: the TLS identity, the proxy, the addresses that are refused."""

    def __init__(self) -> None:
        self._transports: dict[_Way, httpx2.AsyncHTTPTransport] = {}
        # Those whose TLS files have changed, and how many questions each transport carries.
        self._left: list[httpx2.AsyncHTTPTransport] = []
        self._asking: Counter[httpx2.AsyncHTTPTransport] = Counter()

    def open(self, target: Target, base: str) -> None:
        """Makes ready what questions to ``base`` need, TLS files read; ``ConfigInvalid`` where they cannot be used."""
        self._transport(target, base)

    def read_again(self, target: Target, base: str) -> Callable[[], None]:
        """What has questions to ``base`` go by its TLS files as they are now; ``ConfigInvalid`` as for ``open``."""
        way = _way(target, base)
        return partial(self._exchange, way, _made(target, way))

    def _exchange(self, way: _Way, made: httpx2.AsyncHTTPTransport) -> None:
        if (before := self._transports.get(way)) is not None:
            self._left.append(before)
        self._transports[way] = made

    async def ask(self, target: Target, question: Question, limit: int) -> Told | Untold:
        """One request, its answer read to the end."""
        try:
            async with asyncio.timeout(question.timeout.total_seconds()):
                return await self._asked(self._transport(target, question.url), question, limit)
        except _FAULTS as fault:
            return Untold(next(reason for kind, reason in _REASONS if isinstance(fault, kind)))
        except ConfigInvalid:
            return Untold("tls")

    async def close(self) -> None:
        """Closes every connection."""
        for transport in (*self._transports.values(), *self._left):
            await transport.aclose()

    def _transport(self, target: Target, url: str) -> httpx2.AsyncHTTPTransport:
        way = _way(target, url)
        found = self._transports.get(way)
        if found is None:
            found = self._transports[way] = _made(target, way)
        return found

    async def _asked(self, transport: httpx2.AsyncHTTPTransport, question: Question, limit: int) -> Told | Untold:
        self._asking[transport] += 1
        try:
            return await self._ask(transport, question, limit)
        finally:
            self._asking[transport] -= 1
            for left in [each for each in self._left if not self._asking[each]]:
                self._left.remove(left)
                del self._asking[left]
                await left.aclose()

    async def _ask(self, transport: httpx2.AsyncHTTPTransport, question: Question, limit: int) -> Told | Untold:
        given = {name.lower() for name, _ in question.headers}
        own = [field for field in _OWN if field[0].lower() not in given]
        seconds = question.timeout.total_seconds()
        request = httpx2.Request(
            question.method,
            question.url,
            headers=[*own, *question.headers],
            extensions={"timeout": dict.fromkeys(("connect", "read", "write", "pool"), seconds)},
        )
        response = await transport.handle_async_request(request)
        try:
            return await _told(response, limit)
        finally:
            await response.aclose()


def _way(target: Target, url: str) -> _Way:
    tls = target.tls if url.startswith("https:") else None
    return _Way(tls, target.proxy, target.refuse_private_addresses, _protocols(target, url))


def _made(target: Target, way: _Way) -> httpx2.AsyncHTTPTransport:
    """``ConfigInvalid`` where its files cannot be used."""
    context = _context(way.tls)
    if way.refusing:
        return judging(target, context, _LIMITS, way.protocols)
    proxy = None if way.proxy is None else _by(way.proxy)
    http1, http2 = way.protocols
    return httpx2.AsyncHTTPTransport(
        verify=context, trust_env=False, limits=_LIMITS, retries=0, proxy=proxy, http1=http1, http2=http2
    )


def _protocols(target: Target, url: str) -> tuple[bool, bool]:
    """Whether HTTP/1.1 and HTTP/2 may be spoken: TLS agrees on one, without it only the upstream itself is known."""
    if url.startswith("https:"):
        return True, target.http2
    known = target.http2 and url.startswith(f"{target.origin}/")
    return not known, known


def _context(tls: Tls | None) -> ssl.SSLContext:
    # Without TLS a context that trusts nobody will do, and no authorities are read.
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if tls is None else client_context(tls)


def _by(proxy: Proxy) -> httpx2.Proxy:
    known = [(b"Proxy-Authorization", proxy.authorization)] if proxy.authorization else None
    context = client_context(Tls(proxy.ca)) if proxy.scheme == "https" else None
    return httpx2.Proxy(proxy.origin, ssl_context=context, headers=known)


async def _told(response: httpx2.Response, limit: int) -> Told | Untold:
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        return Untold("encoded")
    pieces, size = [], 0
    async for piece in response.aiter_raw():
        size += len(piece)
        if size > limit:
            return Untold("too-large")
        pieces.append(piece)
    return Told(response.status_code, tuple(response.headers.raw), b"".join(pieces))
