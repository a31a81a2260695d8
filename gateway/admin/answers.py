"""An operator's "this was the answer", judged: it has to be one that the upstream could have given and the route keeps.

What later calls get is exactly what stands here, so nothing in it may be the gateway's to say, end at one hop, or break
a head in two. Knows the policy of the record's route; refuses to know the record.
"""

import base64
import binascii
import re
from typing import Annotated

from pydantic import Field

from gateway.admin.problems import Fault
from gateway.admin.shapes import Fence, Instant, Note, Taken
from gateway.policies.policy import Policy
from gateway.protocol.headers import HOP_BY_HOP, MARKS, Header
from gateway.protocol.model import NotKept, StoredResponse

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"(?:[!-~](?:[ -~\t]*[!-~])?)?")

# As much of a head as the gateway takes from callers.
MOST_FIELDS, LARGEST_HEAD = 100, 16 * 1024

# Answers that never have a body (RFC 9110, sections 15.3.5, 15.3.6 and 15.4.5).
_BODYLESS = frozenset({204, 205, 304})


class Word(Taken):
    """An operator's word on the record that was shown with ``fence``; ``created_at`` tells it from a later one of the
    key, whose fences begin anew once the earlier one has been forgotten by its retention."""

    fence: Fence
    note: Note = ""
    created_at: Instant | None = Field(default=None, description="`created_at` of the record that was shown.")


class Bytes(Taken):
    """A body that is no text."""

    base64: str = Field(description="The bytes, in base64 (RFC 4648, section 4).", examples=["eyJpZCI6MX0="])


class GivenAnswer(Word):
    """The answer that later calls get. A length is written by the gateway; order and repetition of headers stand."""

    status: int = Field(
        strict=True, ge=200, le=599, description="The status that the upstream answered.", examples=[201]
    )
    headers: list[Annotated[list[str], Field(min_length=2, max_length=2)]] = Field(
        default_factory=list[list[str]],
        max_length=MOST_FIELDS,
        description="Pairs of name and value.",
        examples=[[["Content-Type", "application/json"]]],
    )
    body: str | Bytes = Field(
        default="", description="Text, sent as UTF-8; or an object with base64.", examples=['{"id": 1}']
    )


def judged(given: GivenAnswer, policy: Policy, route: str) -> StoredResponse | NotKept | list[Fault]:
    """The answer as it is kept, or everything that is wrong with it."""
    body = _body(given.body)
    faults = [*_status(given.status, policy, route), *_headers(given, policy, route)]
    if isinstance(body, Fault):
        return [*faults, body]
    faults += _sized(body, given, policy, route)
    if faults:
        return faults
    fields: tuple[Header, ...] = tuple((name.encode(), value.encode()) for name, value in given.headers)
    return StoredResponse(given.status, fields, body) if policy.keep_body else NotKept(given.status)


def _body(given: str | Bytes) -> bytes | Fault:
    try:
        return given.encode() if isinstance(given, str) else base64.b64decode(given.base64, validate=True)
    except UnicodeEncodeError:
        return Fault(where="body.body", sentence="is not text in UTF-8: it has half a character; send it as base64")
    except (binascii.Error, ValueError):
        return Fault(
            where="body.body.base64", sentence="is not base64; encode the bytes as RFC 4648, section 4, has it"
        )


def _status(status: int, policy: Policy, route: str) -> list[Fault]:
    if status not in policy.terms.not_executed:
        return []
    told = f"is {status}, which proves on route {route} that nothing was executed; release the key instead"
    return [Fault(where="body.status", sentence=told)]


def _sized(body: bytes, given: GivenAnswer, policy: Policy, route: str) -> list[Fault]:
    where = "body.body"
    if body and given.status in _BODYLESS:
        return [Fault(where=where, sentence=f"must be empty: an answer {given.status} never has one")]
    if not policy.keep_body:
        told = f"must be left out: route {route} keeps no answers (keep.body: never); give the status alone"
        return [
            Fault(where=name, sentence=told) for name, part in ((where, body), ("body.headers", given.headers)) if part
        ]
    if len(body) > policy.max_response_body:
        told = f"has {len(body)} bytes, and route {route} keeps {policy.max_response_body} at most"
        return [Fault(where=where, sentence=told)]
    return []


def _headers(given: GivenAnswer, policy: Policy, route: str) -> list[Fault]:
    why = f"is never replayed on route {route} (keep.drop_headers); leave it out"
    dropped = dict.fromkeys(policy.drop_headers, why)
    found: list[Fault] = []
    for index, (name, value) in enumerate(given.headers):
        where = f"body.headers.{index}"
        if not _NAME.fullmatch(name):
            found.append(Fault(where=where, sentence="has a name that is no header name, such as Content-Type"))
        elif sentence := {**dropped, **_NOT_AN_OPERATORS}.get(name.lower().encode()):
            found.append(Fault(where=where, sentence=sentence))
        elif not _VALUE.fullmatch(value):
            told = "has a value that is not one line of printable ASCII without space around it"
            found.append(Fault(where=where, sentence=told))
    if sum(len(name) + len(value) + 4 for name, value in given.headers) > LARGEST_HEAD:
        found.append(Fault(where="body.headers", sentence=f"are larger than {LARGEST_HEAD} bytes together"))
    return found


_NOT_AN_OPERATORS = {
    **dict.fromkeys(HOP_BY_HOP, "ends at one hop, so that no caller ever gets it; leave it out"),
    **dict.fromkeys(MARKS, "is for the gateway to say; leave it out"),
    b"set-cookie": "is never replayed, because it is one caller's alone; leave it out",
    b"content-length": "is written by the gateway, from the body; leave it out",
}
