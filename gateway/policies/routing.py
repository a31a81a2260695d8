"""Which route a request takes: host, path prefix, method; first match wins.

Nothing that the caller sends chooses the upstream's origin: it comes from the route alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from gateway.policies.added import Added
from gateway.policies.callers import Need
from gateway.policies.downstream import CallLimits
from gateway.policies.policy import Policy
from gateway.protocol.headers import Headers


@dataclass(frozen=True, slots=True)
class Match:
    """``host`` in lower case, with a port only where it must match too; ``path`` a prefix; empty values match all.

    ``ambiguous_paths``: paths that servers may read as others are let through.
    """

    host: str = ""
    path: str = "/"
    methods: frozenset[str] = frozenset()
    strip_prefix: str = ""
    ambiguous_paths: bool = False

    def covers(self, host: str, path: str, method: str) -> bool:
        """Whether a request belongs here. A prefix ends at a segment: ``/v1`` covers ``/v1/x``, not ``/v10``."""
        return self._covers_host(host) and self._covers_path(path) and (not self.methods or method in self.methods)

    def _covers_host(self, host: str) -> bool:
        if not self.host:
            return True
        return self.host in (host, host_without_port(host))

    def _covers_path(self, path: str) -> bool:
        if not path.startswith(self.path):
            return False
        return self.path.endswith("/") or len(path) == len(self.path) or path[len(self.path)] == "/"


def host_without_port(host: str) -> str:
    """``example.com:8080`` without its port, ``[::1]:80`` likewise."""
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() and not name.endswith(":") else host


@dataclass(frozen=True, slots=True)
class Timeouts:
    """``connect``: name, TCP and TLS. ``response``: until the caller is answered. ``total``: until the gateway stops
    listening. ``idle``: between two pieces of a streamed answer."""

    connect: timedelta = timedelta(seconds=5)
    response: timedelta = timedelta(seconds=80)
    total: timedelta = timedelta(seconds=90)
    idle: timedelta = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Tls:
    """Files in PEM. ``ca`` replaces the system's authorities; ``certificate`` and ``key`` identify the gateway."""

    ca: str | None = None
    certificate: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Proxy:
    """An outbound proxy: who is connected to instead of the upstream, over TLS where ``scheme`` is ``https``.

    ``authorization``: the value of ``Proxy-Authorization``, empty for none; a secret. ``ca`` replaces the system's
    authorities for the proxy's own certificate.
    """

    scheme: str
    host: str
    port: int
    authorization: bytes = field(default=b"", repr=False)
    ca: str | None = None

    @property
    def authority(self) -> str:
        """``host:port``, as in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def origin(self) -> str:
        """Scheme and authority, without who asks."""
        return f"{self.scheme}://{self.authority}"


@dataclass(frozen=True, slots=True)
class Target:
    """The upstream of a route. ``base_path`` has no slash at its end. ``max_connections`` bounds the pool.
    ``http2``: spoken over TLS where both sides agree on it, else by prior knowledge (RFC 9113, section 3.3); then
    ``believe_refusals``: what it guarantees not to have been processed was not executed (section 8.7)."""

    scheme: str
    host: str
    port: int
    base_path: str = ""
    timeouts: Timeouts = field(default_factory=Timeouts)
    keep_alive: timedelta = timedelta(seconds=1)
    max_connections: int = 256
    tls: Tls = field(default_factory=Tls)
    added: Added = field(default_factory=Added)
    remove_headers: frozenset[bytes] = frozenset()
    forwarded: bool = False
    refuse_private_addresses: bool = False
    proxy: Proxy | None = None
    http2: bool = False
    believe_refusals: bool = False

    @property
    def set_headers(self) -> Headers:
        """The fields that the route sets, as they stand."""
        return self.added.now

    @property
    def forwarded_by_proxy(self) -> bool:
        """Whether a proxy reads and forwards each request, as it does for ``http``; ``https`` goes through a tunnel."""
        return self.proxy is not None and self.scheme == "http"

    @property
    def authority(self) -> str:
        """``host`` and, where it is not the scheme's own, ``port``: the value of the ``Host`` field."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == {"http": 80, "https": 443}[self.scheme] else f"{name}:{self.port}"

    @property
    def origin(self) -> str:
        """Scheme and authority (RFC 9110, section 4.3.1)."""
        return f"{self.scheme}://{self.authority}"


@dataclass(frozen=True, slots=True)
class Route:
    """A name for people and metrics, what it covers, where it leads, its policy, how many calls at once, and whose."""

    name: str
    match: Match
    target: Target
    policy: Policy
    calls: CallLimits = field(default_factory=CallLimits)
    callers: Need = Need.NONE

    def upstream_target(self, target: str) -> str:
        """The request target (path and query, as sent) that the upstream gets."""
        rest = target.removeprefix(self.match.strip_prefix) if self.match.strip_prefix else target
        if not rest.startswith("/"):
            rest = "/" + rest
        return self.target.base_path + rest

    @property
    def lease(self) -> timedelta:
        """How long a claim lasts: the bound on the call and a margin for its settlement, so nothing renews it."""
        return self.target.timeouts.total + LEASE_MARGIN


# From the claim's commit to the first byte, and from the end of the call to the settlement's commit.
LEASE_MARGIN = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class RouteTable:
    """Routes in the order of the configuration."""

    routes: Sequence[Route]

    def find(self, host: str, path: str, method: str) -> Route | None:
        """The first route that covers the request; ``host`` in lower case."""
        for route in self.routes:
            if route.match.covers(host, path, method):
                return route
        return None
