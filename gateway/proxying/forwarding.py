"""What a request becomes on its way upstream, and where its answer's ``Location`` points on the way back.

Pure: fields in, fields out. Framing and ``Host`` are the hop's own; the origin comes from the route alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway.policies.policy import KeySource
from gateway.policies.routing import Route
from gateway.protocol.headers import HOP_BY_HOP, SESSION_COOKIE, Header, Headers, connection_options, without_session

# RFC 9110, section 7.6.3; a pseudonym, because the gateway's own name is nobody's business upstream.
VIA = b"1.1 idempotency-gateway"

_OWN = frozenset({b"host", b"content-length", b"expect", b"traceparent"})


@dataclass(frozen=True, slots=True)
class Caller:
    """The downstream side as far as ``forwarded: true`` tells it: address, ``Host`` and scheme."""

    address: str
    host: bytes
    scheme: str


class Forwarding:
    """How one route forwards; what can be known from the route alone is worked out once."""

    __slots__ = ("_added", "_dropped", "_dropped_keyed", "_dropped_keyless", "_key_header", "_target")

    def __init__(self, route: Route) -> None:
        self._target = route.target
        self._added = route.target.added
        replaced = frozenset(name.lower() for name, _ in route.target.set_headers)
        self._dropped = HOP_BY_HOP | _OWN | route.target.remove_headers | replaced
        rule = route.policy.key
        came_in = {rule.header.encode()} if rule.source is KeySource.HEADER else set[bytes]()
        self._key_header = route.policy.upstream_key.header.encode()
        # Identity, so that a first call and its retry cannot differ in their content coding.
        self._dropped_keyless = self._dropped | came_in | {b"accept-encoding"}
        self._dropped_keyed = self._dropped_keyless | {self._key_header.lower()}

    def unguarded(self, headers: Headers, caller: Caller, trace: bytes) -> Headers:
        """The end-to-end fields in order and multiplicity, less what this hop owns, plus what the route adds."""
        return self._finished(self._passed(headers, self._dropped), (), caller, trace)

    def guarded(self, headers: Headers, key: bytes | None, caller: Caller, trace: bytes) -> Headers:
        """The same of a guarded call: the key in the policy's form or not at all, and no content coding."""
        dropped = self._dropped_keyless if key is None else self._dropped_keyed
        own: list[Header] = [] if key is None else [(self._key_header, key)]
        own.append((b"Accept-Encoding", b"identity"))
        return self._finished(self._passed(headers, dropped), own, caller, trace)

    def _passed(self, headers: Headers, dropped: frozenset[bytes]) -> list[Header]:
        """What of the caller's fields goes on; its ``Connection`` names some of them, and none of the gateway's own."""
        if options := connection_options(headers):
            dropped |= options
        passed = [field for field in headers if field[0] not in dropped]
        if [value for name, value in passed if name == b"cookie" and SESSION_COOKIE in value]:
            told = ((name, without_session(value) if name == b"cookie" else value) for name, value in passed)
            passed = [field for field in told if field[0] != b"cookie" or field[1]]
        return passed

    def _finished(self, passed: list[Header], own: Sequence[Header], caller: Caller, trace: bytes) -> Headers:
        fields = _forwarded(passed, caller) if self._target.forwarded else passed
        return (*fields, *own, *self._added.now, (b"Via", VIA), (b"traceparent", trace))


def _forwarded(fields: list[Header], caller: Caller) -> list[Header]:
    """RFC 7239 and its older kin; what the caller said of earlier hops stays in front."""
    address = caller.address.encode()
    node = b'"[%s]"' % address if b":" in address else address
    told = b'for=%s;host="%s";proto=%s' % (node, caller.host, caller.scheme.encode())
    replaced = {b"x-forwarded-host", b"x-forwarded-proto"}
    return [
        *(field for field in fields if field[0] not in replaced),
        (b"forwarded", told),
        (b"x-forwarded-for", address),
        (b"x-forwarded-host", caller.host),
        (b"x-forwarded-proto", caller.scheme.encode()),
    ]


def rewrite_location(value: bytes, route: Route, origin: bytes) -> bytes:
    """A URL at the upstream's origin, its scheme said or not, as the caller reaches it; others as they are."""
    try:
        url = urlsplit(value.decode("ascii"))
        port = url.port
    except ValueError:
        return value
    target = route.target
    scheme = url.scheme or target.scheme
    default = {"http": 80, "https": 443}.get(scheme)
    if (scheme, url.hostname, port or default) != (target.scheme, target.host.lower(), target.port):
        return value
    rest = value.split(b"//", 1)[1]
    cut = next((index for index, byte in enumerate(rest) if byte in b"/?#"), len(rest))
    path = rest[cut:].decode("ascii")
    if not path.startswith(target.base_path):
        return value
    path = path.removeprefix(target.base_path)
    if not path.startswith("/"):
        # Nothing but the base itself, perhaps with a query: the gateway reaches it with a slash.
        if path and path[0] not in "?#":
            return value
        path = "/" + path
    if route.match.strip_prefix:
        path = route.match.strip_prefix.rstrip("/") + path
    return origin + path.encode("ascii")
