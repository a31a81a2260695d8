"""What a traced call was busy with, as values: when, with what, and what came of it. Instants are monotonic seconds.

Knows W3C trace context (level 1). Names of spans and of their attributes are telemetry's business. Nothing here is a
caller's: no path, no query, no key, no field.
"""

import re
from dataclasses import dataclass

from gateway.protocol.model import RecordId

_TRACEPARENT = re.compile(rb"([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")

# The bits of the flags that this version knows: sampled.
_SAMPLED = 1


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A span's place: the trace's id (16 bytes), its own (8 bytes), and whether it is recorded."""

    trace_id: bytes
    span_id: bytes
    sampled: bool

    @property
    def traceparent(self) -> bytes:
        """As it goes to the next hop."""
        flags = b"01" if self.sampled else b"00"
        return b"00-%s-%s-%s" % (self.trace_id.hex().encode(), self.span_id.hex().encode(), flags)

    @property
    def ids(self) -> bytes:
        """The 24 bytes that a record keeps."""
        return self.trace_id + self.span_id


def context_of(traceparent: bytes) -> TraceContext | None:
    """What a caller sent, ``None`` where it is no ``traceparent``. A later version than 00 may have more at its end,
    and is read as 00 (section 4)."""
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is None or found[1] == b"ff" or (found[5] is not None and found[1] == b"00"):
        return None
    trace_id, span_id, flags = (bytes.fromhex(part.decode()) for part in found.groups()[1:4])
    return TraceContext(trace_id, span_id, bool(flags[0] & _SAMPLED))


@dataclass(frozen=True, slots=True)
class CallSpan:
    """A call, from its head to the last byte of its answer. ``original``: the trace id and span id of the call whose
    answer it got, 24 bytes. ``status``: ``None`` where nobody was answered."""

    route: str
    method: str
    scheme: str
    status: int | None
    outcome: str
    id: RecordId | None
    original: bytes


@dataclass(frozen=True, slots=True)
class ClaimSpan:
    """A claim: ``outcome`` is ``granted`` or why it was not."""

    outcome: str


@dataclass(frozen=True, slots=True)
class WaitSpan:
    """A wait for another call with the key."""


@dataclass(frozen=True, slots=True)
class UpstreamSpan:
    """The one sending. ``fault``: why there is no complete answer, or why nothing was sent."""

    method: str
    host: str
    port: int
    status: int | None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class SettleSpan:
    """What came of the call is written: ``settlement`` is ``complete``, ``release`` or ``unknown``; ``outcome``
    ``settled`` or ``moved``."""

    settlement: str
    outcome: str


@dataclass(frozen=True, slots=True)
class InquirySpan:
    """The upstream is asked what came of an unknown call."""

    route: str
    result: str
    id: RecordId


Span = CallSpan | ClaimSpan | WaitSpan | UpstreamSpan | SettleSpan | InquirySpan
