"""What the operator's listener refuses, as RFC 9457 problems: one sentence each that says what to do.

Knows nothing of requests and of records. ``fence`` and ``state`` are there where a record has moved on, ``errors``
where the input is wrong.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from gateway.protocol.dossier import State

MEDIA_TYPE = "application/problem+json"
REALM = 'Bearer realm="idempotency-gateway"'


class Fault(BaseModel):
    """One thing that is wrong with the input."""

    where: str = Field(examples=["body.fence"])
    sentence: str = Field(examples=["is required"])


class ProblemDocument(BaseModel):
    """A refusal (RFC 9457)."""

    model_config = ConfigDict(title="Problem")

    type: str = Field(examples=["urn:idempotency-gateway:problem:moved"])
    title: str = Field(examples=["The record has moved on"])
    status: int = Field(examples=[409])
    detail: str = Field(description="What is wrong, and what to do.")
    fence: int | None = Field(default=None, description="The record's fence now, where it has moved on.")
    state: State | None = Field(default=None, description="The record's state now, where it has moved on.")
    errors: list[Fault] | None = Field(default=None, description="Each thing that is wrong with the input.")


@dataclass(frozen=True, slots=True)
class Problem:
    """One refusal; ``extra`` are further members, ``headers`` further fields."""

    name: str
    status: int
    title: str
    detail: str
    extra: Mapping[str, object] = field(default_factory=dict[str, object])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def answer(self, base: str) -> JSONResponse:
        """The answer on the wire; ``base`` is put before the name."""
        members = {
            "type": base + self.name,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            **self.extra,
        }
        return JSONResponse(members, self.status, dict(self.headers), MEDIA_TYPE)


class Refused(Exception):
    """Ends a request with its problem, wherever that is found."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def token_missing() -> Problem:
    """Tokens are configured, and none was sent."""
    detail = "Send Authorization: Bearer TOKEN, with a token of admin.tokens, or sign in on the page."
    return Problem("unauthenticated", 401, "A token is needed", detail, headers={"WWW-Authenticate": REALM})


def token_wrong() -> Problem:
    """What was sent is no token of the configuration."""
    detail = "The token is none of admin.tokens; check it, and that this gateway was started with it."
    challenge = {"WWW-Authenticate": f'{REALM}, error="invalid_token"'}
    return Problem("unauthenticated", 401, "The token is not known", detail, headers=challenge)


def session_over() -> Problem:
    """A cookie that no longer opens anything."""
    detail = "The session has ended; sign in again."
    return Problem("unauthenticated", 401, "The session has ended", detail, headers={"WWW-Authenticate": REALM})


def role_too_small(name: str) -> Problem:
    """A token that may only read."""
    detail = f"The token {name} has the role read; deciding on records needs one with the role settle."
    challenge = {"WWW-Authenticate": f'{REALM}, error="insufficient_scope", scope="settle"'}
    return Problem("forbidden", 403, "This token may only read", detail, headers=challenge)


def not_local() -> Problem:
    """No tokens are configured, and the request is not certainly this machine's own."""
    detail = (
        "Without admin.tokens this API answers only on the machine itself, by the name localhost or a loopback address "
        "and through no proxy; configure admin.tokens to use it from elsewhere."
    )
    return Problem("not-local", 403, "Only this machine may ask", detail)


def foreign_origin() -> Problem:
    """A browser sends it for a page that is not the gateway's own."""
    detail = "The request comes from a page of another origin; verbs are taken only from the gateway's own page."
    return Problem("foreign-origin", 403, "Another page asks", detail)


def no_record() -> Problem:
    """The record is not there (any more)."""
    detail = "There is no record with this id; its retention may be over. List records to see what there is."
    return Problem("no-record", 404, "No such record", detail)


_DONE = {"release": "released", "resolve": "resolved"}


def moved(verb: str, state: State, fence: int, shown: int, *, same: bool = True) -> Problem:
    """The record is not (any more) what the verb was for; ``same``: it is of the call that was shown."""
    if not same:
        told = f"The key was called anew since: the record is another call's, {state} under fence {fence}."
    elif fence == shown and verb != "forget":
        told = f"Only an unknown record can be {_DONE[verb]}, and this one is {state}."
    else:
        told = f"The record is {state} under fence {fence} now, and this was for fence {shown}."
    detail = f"Nothing was done. {told} Look at it again before you decide."
    return Problem("moved", 409, "The record has moved on", detail, extra={"state": state, "fence": fence})


def in_flight(fence: int, seconds: int) -> Problem:
    """The record's call has not ended."""
    detail = (
        f"Nothing was done. The call is in flight, for {seconds} s more at most; then it is completed or unknown. "
        "Look at it again then."
    )
    return Problem(
        "in-flight",
        409,
        "The call is in flight",
        detail,
        extra={"state": State.IN_FLIGHT, "fence": fence},
        headers={"Retry-After": str(max(1, seconds))},
    )


def no_record_key(why: str) -> Problem:
    """Something is to be sealed anew, and nothing to seal it with."""
    return Problem("no-record-key", 409, "No key to seal with", f"Nothing was done: {why}.")


def not_found() -> Problem:
    """No such path."""
    return Problem("not-found", 404, "No such path", "There is nothing here; /docs lists what there is.")


def method_not_allowed(allow: str) -> Problem:
    """A path that does other things."""
    detail = f"This path takes {allow}; /docs tells what each does."
    return Problem("method-not-allowed", 405, "No such method here", detail, headers={"Allow": allow})


def too_large() -> Problem:
    """A body over the listener's limit."""
    detail = "The request body is larger than any answer that a route keeps; send less."
    return Problem("too-large", 413, "The body is too large", detail)


def bad_request(detail: str) -> Problem:
    """A body that is not what it should be at all."""
    return Problem("bad-request", 400, "The request cannot be read", detail)


def invalid(faults: Sequence[Fault]) -> Problem:
    """Input that can be read, and is wrong."""
    told = "; ".join(f"{fault.where}: {fault.sentence}" for fault in faults) + "."
    return Problem(
        "invalid", 422, "The input is wrong", told, extra={"errors": [fault.model_dump() for fault in faults]}
    )


def store_unavailable(*, unsure: bool = False) -> Problem:
    """No store answers."""
    advice = "What was asked may have been done: look at the record, then ask again." if unsure else "Ask again."
    detail = f"The gateway's store does not answer. {advice}"
    return Problem("store-unavailable", 503, "The store is unavailable", detail, headers={"Retry-After": "1"})


def record_unreadable() -> Problem:
    """A record that does not open."""
    detail = (
        "The record is there and does not open: it is damaged, of a newer version, or its encryption key is gone. "
        "Start the gateway with every key that it may be sealed with."
    )
    return Problem("record-unreadable", 500, "The record is unreadable", detail)


def internal() -> Problem:
    """A fault of the gateway's own."""
    return Problem("internal", 500, "The gateway failed", "The fault is in the gateway's log; nothing more is known.")
