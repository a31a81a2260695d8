"""What can go wrong on the hop, in the project's words.

Knows how foreign faults and bad bytes are named. Refuses to decide when the first byte was sent: whoever raises knows.
"""

import ssl

from gateway.errors import NotProcessed, NotSent, OutcomeUnknown


def invalid_request(why: str) -> NotSent:
    """A request that must not be written; ``why`` ends the sentence."""
    return NotSent("invalid-request", f"The request was not sent, mend it at its sender: {why}.")


def malformed(why: str) -> OutcomeUnknown:
    """An answer that cannot be read in one way; ``why`` ends the sentence."""
    return OutcomeUnknown("malformed", f"The upstream's answer was refused, look at what the upstream sends: {why}.")


def refused_stream(*, believed: bool) -> NotProcessed | OutcomeUnknown:
    """``REFUSED_STREAM`` before any of an answer: a guarantee that the upstream processed nothing (RFC 9113, section
    8.7), where the route believes it."""
    return _not_processed("refused-stream", "refused the call", believed=believed)


def went_away(*, believed: bool) -> NotProcessed | OutcomeUnknown:
    """``GOAWAY`` with a last stream before ours, and nothing of an answer: likewise."""
    return _not_processed("going-away", "went away before the call", believed=believed)


def _not_processed(reason: str, what: str, *, believed: bool) -> NotProcessed | OutcomeUnknown:
    if believed:
        return NotProcessed(reason, f"Nothing was processed: the upstream {what}, as HTTP/2 guarantees; try again.")
    told = f"The upstream {what} and says that it processed nothing, which this route does not believe"
    return OutcomeUnknown(reason, f"{told}; find out there whether it acted.")


def reset_stream(code: int) -> OutcomeUnknown:
    """A stream that the upstream ended, by whatever other error code (RFC 9113, section 7)."""
    return OutcomeUnknown("reset", f"The upstream gave the call up (HTTP/2 error {code}); find out if it acted.")


def cut(*, begun: bool) -> OutcomeUnknown:
    """A connection that ended in order, before the answer did; ``begun``: a byte of the answer had come."""
    if begun:
        return OutcomeUnknown("cut", "The upstream's answer was cut short; find out there whether it acted.")
    return OutcomeUnknown("closed", "The upstream hung up without an answer; find out there whether it acted.")


def lost(fault: Exception) -> OutcomeUnknown:
    """A connection that broke during a call."""
    if isinstance(fault, TimeoutError):
        return OutcomeUnknown(
            "timeout", "The upstream's machine fell silent during the call; find out if it acted.", timed_out=True
        )
    if isinstance(fault, ssl.SSLError):
        return OutcomeUnknown("tls", f"TLS failed during the call ({fault}); find out at the upstream if it acted.")
    return OutcomeUnknown("reset", f"The connection broke during the call ({fault}); find out if the upstream acted.")


def wrong_length() -> OutcomeUnknown:
    """A request's body that was not as long as its head said."""
    return OutcomeUnknown(
        "request-length", "The request's body was not as long as declared and was given up; find out what came of it."
    )


def request_cut() -> OutcomeUnknown:
    """A request's body whose source was cancelled."""
    return OutcomeUnknown("request-cut", "The request's body was given up half-way; find out what came of it.")


def abandoned() -> OutcomeUnknown:
    """An answer that its reader closed before its end."""
    return OutcomeUnknown("abandoned", "The answer was closed before its end; find out what came of it.")


def stood_still(seconds: float) -> OutcomeUnknown:
    """A streamed answer between whose pieces more than the idle time passed."""
    return OutcomeUnknown(
        "idle-timeout",
        f"The upstream's answer stood still for {seconds:g} s and was given up; it is incomplete.",
        timed_out=True,
    )
