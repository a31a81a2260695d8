"""Requests as a caller would make them, turned into claims by the protocol's own digests."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from gateway.protocol.fingerprint import Digester, RequestFacts
from gateway.protocol.model import Claim, Identity, NotKept, Recipe, RecordId, Retention, StoredResponse

DIGESTER = Digester(b"d" * 32)
RETENTION = Retention(response=timedelta(seconds=100), key=timedelta(seconds=1000), unknown=timedelta(seconds=500))
LEASE = timedelta(seconds=50)

ANSWER = StoredResponse(201, ((b"Content-Type", b"text/plain"), (b"X-A", b"1"), (b"X-A", b"2")), b"charged")
NOT_KEPT = NotKept(202)


@dataclass(frozen=True, slots=True)
class _Body:
    text: bytes

    @property
    def size(self) -> int:
        return len(self.text)

    def chunks(self) -> Iterator[bytes]:
        yield self.text


def record_id(key: str) -> RecordId:
    return DIGESTER.record_id("test", key, None)


def owner(number: int | None = None) -> bytes:
    return secrets.token_bytes(16) if number is None else number.to_bytes(16, "big")


def claim(
    key: str,
    *,
    by: bytes | None = None,
    body: bytes = b"{}",
    caller: bytes = b"alice",
    recipe: Recipe | None = None,
    lease: timedelta = LEASE,
    retention: Retention = RETENTION,
    takeover: float | None = None,
    under: Digester = DIGESTER,
) -> Claim:
    """A claim of ``key`` for a request with this body and caller; ``takeover`` in seconds; ``under``: what it is
    digested with."""
    by = by or owner()
    others = tuple(
        claim(
            key,
            by=by,
            body=body,
            caller=caller,
            recipe=recipe,
            lease=lease,
            retention=retention,
            takeover=takeover,
            under=other,
        )
        for other in under.others
    )
    headers = ((b"Authorization", caller), (b"Content-Type", b"application/json"))
    facts = RequestFacts(b"POST", b"/charges", headers, _Body(body))

    def identify(recipe: Recipe) -> Identity:
        return under.identity(facts, recipe)

    return Claim(
        id=under.record_id("test", key, None),
        owner=by,
        identity=identify(recipe or Recipe()),
        lease=lease,
        retention=retention,
        identify=identify,
        takeover=None if takeover is None else timedelta(seconds=takeover),
        others=others,
    )
