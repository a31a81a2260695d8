"""What callers may read of each route's policy: what they have to send, and how long it is remembered.

Source: draft-ietf-httpapi-idempotency-key-header-07, section 2.5.2: whether a key is required, its syntax, how long it
is remembered, what a fingerprint is made of. Refuses to tell where a route leads: no address, and no namespace, which
is one by default.
"""

from datetime import timedelta
from typing import Any

from gateway.policies.callers import Need
from gateway.policies.policy import KeySource, Policy
from gateway.policies.routing import Route, RouteTable
from gateway.protocol.headers import CALLER
from gateway.protocol.model import BodyForm, Recipe
from gateway.protocol.terms import OnConflict, OnUnknown

# On every route table, whatever its routes cover.
PATH = "/.well-known/idempotency"

_SYNTAX = {
    KeySource.HEADER: "a String Item (RFC 9651), or the same text bare: printable ASCII without comma, quote, "
    "semicolon or space; both forms of one text are one key",
    KeySource.BODY: "a string of printable characters, or a whole number",
    KeySource.FINGERPRINT: "none is sent: what a request is, is its key",
}

_BODY = {
    BodyForm.RAW: "the bytes of the body",
    BodyForm.JSON: "the body as JSON in its canonical form (RFC 8785), or its bytes where it has none",
    BodyForm.NONE: "not the body",
}


def published(routes: RouteTable) -> dict[str, Any]:
    """The policies in the order in which routes are tried, as JSON."""
    return {"routes": [_route(route) for route in routes.routes]}


def _route(route: Route) -> dict[str, Any]:
    match, policy = route.match, route.policy
    guarded = policy.methods & match.methods if match.methods else policy.methods
    return {
        "name": route.name,
        "match": {"host": match.host or None, "path": match.path, "methods": sorted(match.methods) or None},
        "guarded_methods": sorted(guarded),
        "key": _key(policy),
        "callers": _callers(route),
        "fingerprint": _fingerprint(policy.recipe),
        "on_conflict": _conflict(policy),
        "on_unknown": _unknown(policy),
        "retention": {
            "response_seconds": _seconds(policy.retention.response),
            "key_seconds": _seconds(policy.retention.key),
            "unknown_seconds": _seconds(policy.retention.unknown),
        },
        "max_request_bytes": policy.max_request_body,
    }


def _callers(route: Route) -> dict[str, Any]:
    """What tells callers apart, and whether they have to be known to the gateway."""
    names, known = route.policy.recipe.scope, CALLER.decode()
    told = {"headers": [name for name in names if name != known], "on_change": str(route.policy.on_change)}
    return told if route.callers is Need.NONE else {**told, "known": str(route.callers)}


def _key(policy: Policy) -> dict[str, Any]:
    rule = policy.key
    told: dict[str, Any] = {"source": str(rule.source), "syntax": _SYNTAX[rule.source]}
    if rule.source is KeySource.FINGERPRINT:
        return told
    where = {"header": rule.header} if rule.source is KeySource.HEADER else {"pointer": rule.pointer}
    return {**told, **where, "required": rule.required, "min_length": rule.shortest, "max_length": rule.longest}


def _fingerprint(recipe: Recipe) -> dict[str, Any]:
    body = _BODY[recipe.body] + (f", less {', '.join(recipe.exclude)}" if recipe.exclude else "")
    fields = f"the header fields {', '.join(recipe.headers)}" if recipe.headers else "no header fields"
    return {
        "description": f"Method, target, {fields}, and {body}. A retry has to be the same in all of these.",
        "headers": list(recipe.headers),
        "body": str(recipe.body),
        "exclude": list(recipe.exclude),
    }


def _conflict(policy: Policy) -> dict[str, Any]:
    waits = policy.terms.on_conflict is OnConflict.WAIT
    told: dict[str, Any] = {"policy": str(policy.terms.on_conflict)}
    return {**told, "wait_seconds": _seconds(policy.wait_timeout)} if waits else told


def _unknown(policy: Policy) -> dict[str, Any]:
    told: dict[str, Any] = {"policy": str(policy.terms.on_unknown)}
    if policy.terms.on_unknown is OnUnknown.RETRY and policy.upstream_retention is not None:
        told["upstream_retention_seconds"] = _seconds(policy.upstream_retention)
    return told


def _seconds(duration: timedelta) -> float:
    seconds = duration.total_seconds()
    return int(seconds) if seconds == int(seconds) else seconds
