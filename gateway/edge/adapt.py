"""Between ASGI and the protocol: a scope becomes a head, a reply becomes fields on the wire."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from typing import Any, NamedTuple

from gateway.policies.routing import Route
from gateway.protocol.commands import Reply
from gateway.protocol.headers import (
    AGAIN,
    EXPIRES,
    ORIGIN,
    RECORDED,
    REPLAYED,
    STATUS,
    Fields,
    Header,
    values,
)
from gateway.protocol.model import Origin, StoredResponse
from gateway.protocol.outcomes import Outcome
from gateway.protocol.spans import TraceContext, context_of
from gateway.proxying.forwarding import Caller, rewrite_location


class Head(NamedTuple):
    """A request's head, inspected. ``target`` is path and query as sent; ``host`` is in lower case."""

    method: str
    target: str
    path: str
    host: str
    headers: Fields
    version: str
    caller: Caller

    @property
    def declared_length(self) -> int | None:
        """The length of the body, ``0`` where there is none, ``None`` where only its end will tell."""
        names = self.headers.names
        if b"content-length" in names:
            return int(self.headers[names.index(b"content-length")][1])
        return None if b"transfer-encoding" in names else 0


def read_head(scope: Mapping[str, Any]) -> Head:
    """The head of an ASGI scope whose ``raw_path`` holds the whole request target."""
    headers: Fields = scope["headers"]
    target = scope["raw_path"].decode("ascii")
    host = headers[headers.names.index(b"host")][1]
    client = scope["client"]
    return Head(
        method=scope["method"],
        target=target,
        path=target.partition("?")[0],
        host=host.decode("ascii").lower(),
        headers=headers,
        version=scope["http_version"],
        caller=Caller(client[0] if client else "unknown", host, scope["scheme"]),
    )


_TRACE_FIELDS = frozenset({b"traceparent", b"tracestate"})


def with_trace(head: Head) -> tuple[Head, TraceContext | None]:
    """The caller's W3C trace context, ``None`` where there is none that is one; and the head without a ``tracestate``
    then, which says nothing without its ``traceparent``."""
    if _TRACE_FIELDS.isdisjoint(head.headers.names):
        return head, None
    parents = values(head.headers, b"traceparent")
    sent = context_of(parents[0]) if len(parents) == 1 else None
    if sent is not None or b"tracestate" not in head.headers.names:
        return head, sent
    return head._replace(headers=head.headers.less((b"tracestate",))), None


def response_head(reply: Reply, route: Route | None, origin: bytes, method: str) -> tuple[int, list[Header]]:
    """Status and fields as the caller of ``method`` gets them; ``origin`` is how the caller reaches the gateway.

    A reply's fields are end-to-end already: the protocol has seen to it.
    """
    response = reply.response
    fields = list(response.headers)
    gateway_made = isinstance(response, StoredResponse) and response.origin is Origin.GATEWAY
    if not gateway_made and route is not None and values(response.headers, b"location"):
        fields = [_located(field, route, origin) for field in fields]
    if isinstance(response, StoredResponse):
        fields = _framed(fields, response, method)
    elif response.status in _LENGTHLESS:
        fields = [field for field in fields if not _says_length(field)]
    fields += _marks(reply)
    if gateway_made:
        fields.append((ORIGIN, b"gateway"))
    return response.status, fields


def _located(field: Header, route: Route, origin: bytes) -> Header:
    name, value = field
    if len(name) != 8 or name.lower() != b"location":
        return field
    return name, rewrite_location(value, route, origin)


def _framed(fields: list[Header], response: StoredResponse, method: str) -> list[Header]:
    """A kept answer has a length whatever its first framing was; 204 and 304 never say one (RFC 9110, 8.6).

    An answer to ``HEAD`` has the upstream's or none: its own body says nothing of the one that it stands for.
    """
    if response.status in _LENGTHLESS:
        return [field for field in fields if not _says_length(field)]
    if method == "HEAD" or values(response.headers, b"content-length"):
        return fields
    return [*fields, (b"Content-Length", str(len(response.body)).encode())]


_LENGTHLESS = frozenset({204, 304})


def _says_length(field: Header) -> bool:
    return len(field[0]) == 14 and field[0].lower() == b"content-length"


def _marks(reply: Reply) -> list[Header]:
    if reply.outcome is None:
        return []
    marks: list[Header] = [(STATUS, reply.outcome.value.encode())]
    if reply.outcome is Outcome.REPLAYED:
        marks.append((REPLAYED, b"true"))
    if reply.expires is not None:
        marks.append((EXPIRES, rfc3339(reply.expires)))
    if reply.again:
        marks.append((AGAIN, b"true"))
    if not reply.recorded:
        marks.append((RECORDED, b"false"))
    return marks


def rfc3339(moment: datetime) -> bytes:
    """``2026-11-23T20:15:00Z`` (RFC 3339); rounded down, so that nobody is promised a moment too much."""
    return _written(moment.replace(microsecond=0))


# Whoever calls at one time is promised few different seconds.
@lru_cache(maxsize=256)
def _written(moment: datetime) -> bytes:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ").encode()


def http_date(moment: datetime) -> bytes:
    """An IMF-fixdate (RFC 9110, section 5.6.7)."""
    return format_datetime(moment, usegmt=True).encode()
