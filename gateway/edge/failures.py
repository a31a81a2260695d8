"""What a caller hears when the gateway itself cannot go on."""

from gateway.protocol.outcomes import Outcome
from gateway.protocol.problems import Problem


def body_not_spooled() -> Problem:
    """A large request body could not be put on disk: nothing was sent, and nobody asked what is known of its key."""
    return Problem(
        "body-not-spooled",
        503,
        "The request body cannot be held",
        "The gateway has no room for the body of this request, so this call sent nothing. Retry with the same key.",
        Outcome.UNAVAILABLE,
        retryable=True,
        retry_after=1,
    )


def internal_fault() -> Problem:
    """A fault of the gateway's own, before anything was answered."""
    return Problem(
        "internal-fault",
        500,
        "The gateway failed",
        "The gateway met a fault of its own before it could answer. With a key, a retry with the same key is safe: "
        "it tells what became of this call. Tell the operator.",
        Outcome.UNAVAILABLE,
        retryable=True,
    )
