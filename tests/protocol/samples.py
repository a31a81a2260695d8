"""Values that the protocol's tests speak of. Nothing here decides anything."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from gateway.protocol.model import (
    Claim,
    Completed,
    Expired,
    Grant,
    Identity,
    InFlight,
    NotKept,
    Recipe,
    Record,
    RecordId,
    Released,
    Retention,
    StoredResponse,
    Unknown,
)

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
RETENTION = Retention(response=100 * SECOND, key=1000 * SECOND, unknown=500 * SECOND)
ID = RecordId(b"i" * 32)
OWNER = b"o" * 16
OTHER_OWNER = b"p" * 16
IDENTITY = Identity(Recipe(), scope=b"s" * 32, fingerprint=b"f" * 32)
OTHER_REQUEST = replace(IDENTITY, fingerprint=b"g" * 32)
OTHER_CALLER = replace(IDENTITY, scope=b"t" * 32)
ANSWER = StoredResponse(201, ((b"X-A", b"1"), (b"X-A", b"2")), b"body")


def claim(identity: Identity = IDENTITY, owner: bytes = OTHER_OWNER, takeover: timedelta | None = None) -> Claim:
    return Claim(
        id=ID,
        owner=owner,
        identity=identity,
        lease=100 * SECOND,
        retention=RETENTION,
        identify=lambda recipe: replace(identity, recipe=recipe),
        takeover=takeover,
    )


def grant(fence: int = 1, owner: bytes = OWNER, *, taken_over: bool = False) -> Grant:
    return Grant(ID, fence, owner, RETENTION, taken_over)


def in_flight(*, taken_over: bool = False) -> InFlight:
    return InFlight(ID, 1, OWNER, IDENTITY, RETENTION, NOW - SECOND, NOW - SECOND, NOW + 99 * SECOND, taken_over)


def completed(answer: StoredResponse | NotKept = ANSWER) -> Completed:
    return Completed(ID, 1, OWNER, IDENTITY, NOW - SECOND, answer, NOW + 100 * SECOND, NOW + 1100 * SECOND)


def unknown(*, taken_over: bool = False) -> Unknown:
    return Unknown(
        ID,
        1,
        OWNER,
        IDENTITY,
        NOW - SECOND,
        NOW - SECOND,
        NOW,
        "timeout",
        NOW + 500 * SECOND,
        NOW + 1500 * SECOND,
        taken_over,
    )


def released() -> Released:
    return Released(ID, 1, OWNER, NOW + 1000 * SECOND)


def expired() -> Expired:
    return Expired(ID, 1, IDENTITY, NOW + 1000 * SECOND)


def every_state() -> dict[str, Record | None]:
    return {
        "none": None,
        "in flight": in_flight(),
        "completed": completed(),
        "unknown": unknown(),
        "released": released(),
        "expired": expired(),
    }
