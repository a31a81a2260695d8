"""What spans are called, and what they tell: the semantic conventions for HTTP (1.23 and later), and names of our own.

Knows names and attributes. Left out on purpose, though the conventions want some of them: whatever a caller sent, and
that is path, query, fields and addresses; ``http.route`` is the route's name.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import assert_never

from gateway.protocol.model import RecordId
from gateway.protocol.spans import CallSpan, ClaimSpan, InquirySpan, SettleSpan, Span, UpstreamSpan, WaitSpan

# What the conventions know; a caller's own word for a method is told as one of these, so that nobody invents names.
_METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"})
_OTHER = "_OTHER"

Attributes = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Told:
    """A span in words. ``kind``: ``SERVER``, ``CLIENT`` or ``INTERNAL``. ``original``: what it links to, 24 bytes."""

    name: str
    kind: str
    attributes: Attributes
    failed: bool = False
    original: bytes = field(default=b"")


# Before anything is known of a span: what a sampler is told.
BEGINNINGS: Mapping[type[Span], str] = {CallSpan: "SERVER", InquirySpan: "CLIENT"}


def told(span: Span, store: str) -> Told:
    """The words for a span of a gateway with this ``store``."""
    match span:
        case CallSpan():
            return _call(span)
        case ClaimSpan(outcome=outcome):
            failed = outcome in ("unavailable", "unreadable")
            return Told("claim", "INTERNAL", {"idempotency.store": store, "idempotency.claim": outcome}, failed)
        case WaitSpan():
            return Told("wait", "INTERNAL", {})
        case UpstreamSpan():
            return _upstream(span)
        case SettleSpan(settlement=settlement, outcome=outcome):
            attributes = {"idempotency.store": store, "idempotency.settlement": settlement}
            return Told("settle", "INTERNAL", {**attributes, "idempotency.settled": outcome})
        case InquirySpan(route=route, result=result, id=record):
            attributes = {"http.route": route, "idempotency.inquiry": result, "idempotency.record": _prefix(record)}
            return Told("inquiry", "CLIENT", attributes)
        case _:
            assert_never(span)


def _call(span: CallSpan) -> Told:
    attributes: dict[str, str | int] = {"http.request.method": _known(span.method), "url.scheme": span.scheme}
    if span.route:
        attributes["http.route"] = span.route
    if span.status is not None:
        attributes["http.response.status_code"] = span.status
    if span.outcome:
        attributes["idempotency.status"] = span.outcome
    if span.id is not None:
        attributes["idempotency.record"] = _prefix(span.id)
    failed = span.status is None or span.status >= 500
    if failed:
        attributes["error.type"] = "caller-gone" if span.status is None else str(span.status)
    return Told(_name(span.method, span.route), "SERVER", attributes, failed, span.original)


def _upstream(span: UpstreamSpan) -> Told:
    attributes: dict[str, str | int] = {
        "http.request.method": _known(span.method),
        "server.address": span.host,
        "server.port": span.port,
    }
    if span.status is not None:
        attributes["http.response.status_code"] = span.status
    failed = span.status is None or span.status >= 400
    if failed:
        attributes["error.type"] = span.fault or str(span.status or _OTHER)
    return Told(_name(span.method), "CLIENT", attributes, failed)


def _name(method: str, route: str = "") -> str:
    word = method if method in _METHODS else "HTTP"
    return f"{word} {route}" if route else word


def _known(method: str) -> str:
    return method if method in _METHODS else _OTHER


def _prefix(record: RecordId) -> str:
    return record.digest[:6].hex()
