"""Every answer that the gateway makes by itself, as an RFC 9457 problem.

``type`` is ``urn:idempotency-gateway:problem:NAME`` or the configured base and NAME; ``detail`` says what to do next;
``key_state`` and ``retryable`` are extension members for programs. The titles of ``key-missing``, ``key-reused`` and
``in-flight`` are those of draft-ietf-httpapi-idempotency-key-header-07, section 2.7.
"""

import json
import math
from dataclasses import dataclass
from datetime import timedelta

from gateway.protocol.headers import Headers
from gateway.protocol.model import Origin, StoredResponse
from gateway.protocol.outcomes import Outcome

URN = "urn:idempotency-gateway:problem:"


@dataclass(frozen=True, slots=True)
class Problem:
    """One refusal. ``outcome`` is ``None`` where no key is concerned; ``retry_after`` in seconds; ``key_state`` is what
    is known of the key: ``none``, ``in-flight``, ``completed``, ``unknown``, ``expired`` or ``undetermined``."""

    name: str
    status: int
    title: str
    detail: str
    outcome: Outcome | None = None
    key_state: str = "undetermined"
    retryable: bool = False
    retry_after: int | None = None
    allow: str = ""
    challenge: str = ""

    def render(self, base: str, instance: str) -> StoredResponse:
        """The answer on the wire; ``base`` is put before the name, ``instance`` identifies this occurrence."""
        members = {
            "type": base + self.name,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
            "key_state": self.key_state,
            "retryable": self.retryable,
        }
        body = json.dumps(members, ensure_ascii=False).encode() + b"\n"
        return StoredResponse(self.status, self._headers(body), body, Origin.GATEWAY)

    def _headers(self, body: bytes) -> Headers:
        fields = [
            (b"Content-Type", b"application/problem+json"),
            (b"Content-Length", str(len(body)).encode()),
            (b"Cache-Control", b"no-store"),
        ]
        if self.retry_after is not None:
            fields.append((b"Retry-After", str(self.retry_after).encode()))
        if self.allow:
            fields.append((b"Allow", self.allow.encode()))
        if self.challenge:
            fields.append((b"WWW-Authenticate", self.challenge.encode()))
        return tuple(fields)


def bad_request(detail: str) -> Problem:
    """Malformed or ambiguous HTTP."""
    return Problem("bad-request", 400, "The request is malformed", detail, key_state="none")


def target_too_long(limit: int) -> Problem:
    """A request target over its limit in bytes."""
    detail = f"The request target is longer than {limit} bytes; shorten it."
    return Problem("bad-request", 414, "The request target is too long", detail, key_state="none")


def head_too_large(detail: str) -> Problem:
    """A request head over its limits."""
    return Problem("bad-request", 431, "The request header is too large", detail, key_state="none")


def unsupported(status: int, detail: str) -> Problem:
    """Upgrade, gRPC, CONNECT, TRACE: 501 or 405."""
    return Problem("unsupported", status, "This gateway does not carry such calls", detail, key_state="none")


def only_read() -> Problem:
    """The published policy, with a method that does more than read."""
    detail = "The gateway's policy is read here, with GET or HEAD; nothing else is done at this path."
    title = "This path is only read"
    return Problem("unsupported", 405, title, detail, key_state="none", allow="GET, HEAD")


def no_route() -> Problem:
    """No route covers the request."""
    detail = (
        "No route of this gateway covers this host, path and method; check the URL, or ask the operator for a route."
    )
    return Problem("no-route", 404, "No route", detail, key_state="none")


def caller_unknown(detail: str, challenge: str) -> Problem:
    """Nobody whom the gateway knows. ``challenge``: the value of ``WWW-Authenticate`` (RFC 9110, section 11.6.1)."""
    title = "The caller is not known"
    return Problem("caller-unknown", 401, title, detail, Outcome.REJECTED, challenge=challenge)


def caller_unverifiable(retry_after: int) -> Problem:
    """Nobody can tell at the moment whether a token is good: it is no 401, after which a caller would throw it away."""
    detail = (
        "The gateway has no keys at the moment by which this token could be verified. This call sent nothing; retry it "
        f"with the same key after {retry_after} s."
    )
    title = "Callers cannot be verified"
    return Problem(
        "caller-unverifiable", 503, title, detail, Outcome.UNAVAILABLE, retryable=True, retry_after=retry_after
    )


def route_forbidden() -> Problem:
    """A known caller, on a route that is not theirs."""
    detail = "This caller may not use this route, so nothing was sent; ask the operator of the gateway for it."
    return Problem("route-forbidden", 403, "The route is not this caller's", detail, Outcome.REJECTED)


def rate_limited(detail: str, retry_after: int) -> Problem:
    """One caller calls too often, or collects refusals too fast; ``retry_after`` in seconds."""
    title = "This caller calls too often"
    told = f"{detail} This call was not sent. Retry with the same key after {retry_after} s."
    return Problem("rate-limited", 429, title, told, Outcome.REJECTED, retryable=True, retry_after=retry_after)


def quota_exceeded(detail: str, retry_after: int) -> Problem:
    """One caller has as much as it may have; ``retry_after`` in seconds."""
    title = "This caller's quota is used up"
    told = f"{detail} This call was not sent; retry it with the same key."
    return Problem("quota-exceeded", 429, title, told, Outcome.REJECTED, retryable=True, retry_after=retry_after)


def keys_used_up(most: int) -> Problem:
    """One caller holds as many keys as they may. When the next one is forgotten, nobody counts."""
    told = (
        f"The store holds {most} keys of this caller, as many as it may, and this key is not one of them: the call was "
        "not sent. Known keys are still answered; a new one is taken once the store has forgotten another."
    )
    title = "This caller's quota is used up"
    return Problem("quota-exceeded", 429, title, told, Outcome.REJECTED, "none", retryable=True)


def key_missing(name: str) -> Problem:
    """The route requires a key."""
    detail = (
        f"This operation needs {name}. Make one new key for each operation, and send the same key when you retry it."
    )
    return Problem("key-missing", 400, "Idempotency-Key is missing", detail, Outcome.REJECTED, "none")


def key_invalid(name: str, clause: str) -> Problem:
    """The key cannot be used."""
    detail = f"{name} {clause}."
    return Problem("key-invalid", 400, "Idempotency-Key is invalid", detail, Outcome.REJECTED, "none")


def request_too_large(limit: int) -> Problem:
    """A guarded request body over its limit in bytes."""
    detail = f"The request body is larger than the {limit} bytes that this route takes; nothing was sent."
    return Problem("request-too-large", 413, "The request body is too large", detail, Outcome.REJECTED, "none")


def request_overdue(*, sent: bool) -> Problem:
    """A request that did not arrive in time. ``sent``: its beginning may have gone upstream."""
    what = "A part of it may have reached the upstream." if sent else "Nothing was sent; send it again, faster."
    return Problem(
        "request-overdue",
        408,
        "The request took too long",
        f"The request did not arrive in time. {what}",
        retryable=not sent,
    )


def overloaded(what: str) -> Problem:
    """The gateway has as many connections or calls as it takes."""
    detail = f"There are too many {what} at once, so this call sent nothing. Retry with the same key after a moment."
    return Problem("overloaded", 503, "The gateway is busy", detail, Outcome.UNAVAILABLE, retryable=True, retry_after=1)


def too_many_calls(limit: int) -> Problem:
    """One caller has as many calls in flight as it may."""
    detail = (
        f"This caller has {limit} calls in flight, as many as this route lets one have, so this one was not sent. "
        "Wait for answers, then retry with the same key."
    )
    return Problem(
        "too-many-calls", 429, "Too many calls at once", detail, Outcome.REJECTED, retryable=True, retry_after=1
    )


def key_reused() -> Problem:
    """The key is known with another request."""
    detail = (
        "This key was used with another request (method, target, headers or body differ). Nothing was sent. "
        "Use a new key for a new operation, or repeat the first request unchanged."
    )
    return Problem("key-reused", 422, "Idempotency-Key is already used", detail, Outcome.MISMATCH)


def caller_changed() -> Problem:
    """The key is known with other credentials."""
    detail = (
        "This key was first used with other credentials. Nothing was sent. "
        "Retry with the first call's credentials; if this is a new operation, use a new key."
    )
    return Problem("caller-changed", 409, "Idempotency-Key belongs to another caller", detail, Outcome.MISMATCH)


def in_flight(age: timedelta, rest: timedelta) -> Problem:
    """The first call is still under way."""
    detail = "The first call with this key is still in flight. Retry with the same key after Retry-After seconds."
    return Problem(
        "in-flight",
        409,
        "A request is outstanding for this Idempotency-Key",
        detail,
        Outcome.IN_FLIGHT,
        "in-flight",
        retryable=True,
        retry_after=_in_flight_delay(age, rest),
    )


def _in_flight_delay(age: timedelta, rest: timedelta) -> int:
    """1 s, doubling with the call's age, at most the rest of its lease."""
    seconds = max(1.0, age.total_seconds())
    return max(1, min(1 << int(math.log2(seconds)), math.ceil(rest.total_seconds())))


def outcome_unknown(*, timed_out: bool, again: bool = False) -> Problem:
    """Sent, and no complete answer came. ``again``: a retry is sent to an upstream that recognises the key."""
    advice = "A retry with the same key is safe: it tells what has become known since."
    if again:
        advice = "A retry with the same key is safe: it is sent again, and the upstream recognises the key."
    return _outcome_unknown(advice, timed_out=timed_out, retryable=True)


def outcome_failed(*, timed_out: bool) -> Problem:
    """The same where this very answer is kept for the key (``on_unknown: fail``)."""
    advice = "This answer is final: every retry with the same key gets it. Look at the upstream what happened."
    return _outcome_unknown(advice, timed_out=timed_out, retryable=False)


def _outcome_unknown(advice: str, *, timed_out: bool, retryable: bool) -> Problem:
    status, what = (504, "did not answer in time") if timed_out else (502, "broke off before its answer was complete")
    detail = (
        f"The request was sent and the upstream {what}: it may or may not have been executed. It was not sent again. "
        f"{advice}"
    )
    return Problem(
        "outcome-unknown", status, "The outcome is unknown", detail, Outcome.UNKNOWN, "unknown", retryable=retryable
    )


def not_yet_known(age: timedelta, rest: timedelta) -> Problem:
    """A later call of an unknown key whose call began ``age`` ago and may still be answered, for ``rest`` at most."""
    detail = (
        "An earlier call with this key was sent and not answered in time; the gateway is still waiting for its answer. "
        "Nothing was sent now. Retry with the same key after Retry-After seconds."
    )
    return _unknown_since(detail, _in_flight_delay(age, rest))


def still_unknown(asks_in: timedelta | None) -> Problem:
    """A later call of an unknown key; ``asks_in``: until the gateway asks the upstream next, where it does."""
    advice = "Ask the operator to resolve or release the key, or look at the upstream what happened."
    if asks_in is not None:
        advice = "The gateway is asking the upstream what happened. Retry with the same key after Retry-After seconds."
    detail = (
        "An earlier call with this key was sent and never completely answered: it may or may not have been executed. "
        f"Nothing was sent now. {advice}"
    )
    return _unknown_since(detail, None if asks_in is None else math.ceil(asks_in.total_seconds()) + 1)


def _unknown_since(detail: str, retry_after: int | None) -> Problem:
    return Problem(
        "outcome-unknown",
        409,
        "The outcome is unknown",
        detail,
        Outcome.UNKNOWN,
        "unknown",
        retryable=retry_after is not None,
        retry_after=retry_after,
    )


# Why nothing was sent, as far as it is a caller's business: no address of the upstream, no path of a file.
_NOT_SENT = {
    "refused": "The upstream refused the connection.",
    "private-address": "The upstream is at an address that this gateway does not call.",
    "dns": "The upstream's name could not be resolved.",
    "connect-timeout": "The upstream could not be reached in time.",
    "tls": "No secure connection to the upstream could be made.",
    "pool-full": "All connections to the upstream are busy.",
    "draining": "The gateway is shutting down.",
    "dispatch-deadline": "The gateway was held up until it was too late to send.",
    "invalid-request": "The request cannot be written as HTTP.",
    "http-version": "The upstream does not speak the version of HTTP that this gateway was told.",
}
# Sent, and yet proved to have done nothing (RFC 9113, section 8.7).
_NOT_PROCESSED = {
    "refused-stream": "The upstream refused this call before it processed any of it.",
    "going-away": "The upstream went away before it processed any of this call.",
}


def upstream_unreachable(reason: str, *, taken_over: bool = False) -> Problem:
    """This call sent nothing, or nothing that was processed. Of a take-over, the first attempt may still have acted."""
    outcome, state = (Outcome.UNKNOWN, "unknown") if taken_over else (Outcome.NOT_EXECUTED, "none")
    processed_not = _NOT_PROCESSED.get(reason)
    title = "Nothing was sent" if processed_not is None else "Nothing was processed"
    why = processed_not or _NOT_SENT.get(reason, "The upstream could not be reached.")
    return Problem(
        "upstream-unreachable",
        503,
        title,
        f"{why} {title}. Retry with the same key.",
        outcome,
        state,
        retryable=True,
        retry_after=1,
    )


def store_unavailable() -> Problem:
    """No store answers."""
    detail = "The gateway's store does not answer, so this call sent nothing. Retry with the same key."
    return Problem(
        "store-unavailable",
        503,
        "The store is unavailable",
        detail,
        Outcome.UNAVAILABLE,
        retryable=True,
        retry_after=1,
    )


def record_unreadable() -> Problem:
    """The record is there and does not open."""
    detail = "The record of this key cannot be read, so nothing was sent. Tell the operator; a retry will not help."
    return Problem("record-unreadable", 500, "The record is unreadable", detail, Outcome.UNAVAILABLE)


def key_expired() -> Problem:
    """The key is remembered, its answer is gone."""
    detail = (
        "This key was used before and its answer is no longer kept. Nothing was sent. "
        "Do not retry it; a new key is a new operation."
    )
    return Problem("key-expired", 410, "Idempotency-Key has expired", detail, Outcome.EXPIRED, "expired")


def response_not_kept(status: int) -> Problem:
    """Executed, and the answer was never kept."""
    detail = (
        f"The first call with this key was executed and answered with status {status}; its answer was not kept. "
        "Nothing was sent now. Look up the result at the upstream."
    )
    return Problem("response-not-kept", 410, "The answer was not kept", detail, Outcome.EXPIRED, "completed")
