"""The shape of a policy: every choice that a route has, with its unit, its default and the reason for it."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from gateway.config.reconcile_settings import ReconcileSettings
from gateway.config.shapes import (
    Duration,
    Flag,
    HeaderName,
    KeyLength,
    Method,
    Pointer,
    Shape,
    Size,
    Status,
    Text,
    also_written,
    default,
    made,
)
from gateway.policies.policy import OnChange, UpstreamKeyMode
from gateway.protocol.key import KeyForm
from gateway.protocol.model import BodyForm
from gateway.protocol.terms import NOT_EXECUTED, OnConflict, OnStoreDown, OnUnknown


class Key(Shape):
    """Where the key comes from, and which keys are good."""

    header: HeaderName = default("Idempotency-Key", "The header that carries the key.", "PayPal-Request-Id")
    body: Pointer | None = default(None, "Instead of a header: a JSON Pointer (RFC 6901) into the body.", "/message_id")
    derive: Literal["fingerprint"] | None = default(None, "No key is sent: the fingerprint is the key (by content).")
    required: Flag = default(False, "Without a key: true answers 400, false passes the call through unguarded.")
    min_length: KeyLength = default(1, "Shortest key, in characters: a short key is soon used twice.")
    max_length: KeyLength = default(255, "Longest key, in characters: what other servers take.")


class Scope(Shape):
    """What tells callers apart."""

    headers: list[HeaderName] = made(
        lambda: ["Authorization", "X-Api-Key"],
        "Request headers that tell callers apart, so that none gets another's.",
        ["Authorization", "X-Tenant"],
    )
    on_change: OnChange = default(
        OnChange.REFUSE,
        "A known key with other scope values: refuse answers 409, so that a refreshed token is no second charge; "
        "separate gives each caller keys of its own.",
    )


class Fingerprint(Shape):
    """What makes two requests the same."""

    body: BodyForm = default(
        BodyForm.RAW, "How the body counts: raw bytes, json in its canonical form (raw above 256KiB), or none."
    )
    exclude: list[Pointer] = made(
        list, "JSON Pointers left out of a json fingerprint: what changes with each retry.", ["/sent_at"]
    )
    headers: list[HeaderName] = made(
        lambda: ["Content-Type"],
        "Further headers of the request's identity; method and target always are.",
        ["Content-Type", "Stripe-Account"],
    )


class RetentionSettings(Shape):
    """How long things are remembered, each from the end of the one before."""

    response: Duration = default("24h", "How long the answer is replayed, from completion.")
    key: Duration = default("30d", "How long the key is remembered after that, and answers 410.")
    unknown: Duration = default("90d", "How long an unresolved unknown waits for the truth.")


class Keep(Shape):
    """What of an answer is kept."""

    body: Literal["always", "never"] = default("always", "never: later calls get 410 response-not-kept.")
    drop_headers: list[HeaderName] = made(list, "Response headers never replayed; Set-Cookie never is.", ["X-Trace"])


class Limit(Shape):
    """A bound on a body."""

    max_body: Size = default("10MiB", "Largest body, in bytes on the wire: what one call may hold.")


class UpstreamKeySettings(Shape):
    """What the upstream is told of the key."""

    mode: UpstreamKeyMode = default(UpstreamKeyMode.FORWARD, "forward the text, derive a digest, or drop it.")
    header: HeaderName | None = default(None, "The header it goes in; unset: the one it came in.", "X-Request-Id")
    form: KeyForm = default(KeyForm.BARE, "The one form in which it is written, whatever the caller wrote.")


def _mode(value: object) -> object:
    """``upstream_key: drop`` is short for its mode."""
    return {"mode": value} if isinstance(value, str) else value


class PolicySettings(Shape):
    """What a route promises, and how."""

    methods: list[Method] = made(
        lambda: ["POST", "PATCH"], "Methods that are guarded; others pass through, and with [] all do."
    )
    namespace: Text | None = default(
        None, "The space in which a key is unique; unset: the upstream's origin.", "payments"
    )
    key: Key = made(Key, "The key.")
    scope: Scope = made(Scope, "The callers.")
    fingerprint: Fingerprint = made(Fingerprint, "The request's identity.")
    on_conflict: OnConflict = default(
        OnConflict.REJECT, "Another call with this key is in flight: reject answers 409; wait waits for its answer."
    )
    wait_timeout: Duration = default("30s", "How long wait waits before it answers 409.")
    on_unknown: OnUnknown = default(OnUnknown.HOLD, "What a later call of an unknown key meets.")
    unknown_statuses: list[Status] = made(
        list,
        "Upstream statuses that leave the outcome unknown; unset with on_unknown: retry or reconcile: 500, 502, 503 and"
        " 504.",
        [500, 502, 503, 504],
    )
    not_executed_statuses: list[Status] = made(
        lambda: sorted(NOT_EXECUTED), "Upstream statuses that prove that nothing was executed.", [401, 429]
    )
    upstream_retention: Duration | None = default(
        None,
        "With on_unknown: retry, required: how long the upstream itself remembers a key, from the first sending.",
        "24h",
    )
    reconcile: ReconcileSettings | None = default(
        None, "With on_unknown: reconcile, required: what the upstream is asked, and what its answers mean."
    )
    retention: RetentionSettings = made(RetentionSettings, "How long things are remembered.")
    keep: Keep = made(Keep, "What of an answer is kept.")
    request: Limit = made(Limit, "Bound on guarded requests; a larger one is answered 413.")
    response: Limit = made(Limit, "Bound on kept answers; a larger one is streamed and not kept.")
    on_store_down: OnStoreDown = default(
        OnStoreDown.REFUSE, "refuse answers 503; pass sends unguarded, marked and counted."
    )
    upstream_key: Annotated[UpstreamKeySettings, BeforeValidator(_mode)] = Field(
        default_factory=UpstreamKeySettings,
        description="What the upstream is told of the key; one word is its mode.",
        json_schema_extra=also_written({"type": "string", "enum": [str(mode) for mode in UpstreamKeyMode]}),
    )
