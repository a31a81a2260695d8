"""What a caller is told of a call in ``Idempotency-Status`` (contract, section 4)."""

from enum import StrEnum


class Outcome(StrEnum):
    """The values of ``Idempotency-Status``."""

    EXECUTED = "executed"
    REPLAYED = "replayed"
    MISMATCH = "mismatch"
    IN_FLIGHT = "in-flight"
    REJECTED = "rejected"
    NOT_EXECUTED = "not-executed"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    UNAVAILABLE = "unavailable"
    UNGUARDED = "unguarded"
