"""What a recorded call was busy with, told as spans.

Knows which event ends which part. Refuses to know what a span is called, and what becomes of it.
"""

from collections.abc import Mapping
from typing import Any

from gateway.policies.routing import Target
from gateway.ports import Trace
from gateway.protocol.events import (
    Answered,
    CallLost,
    ClaimJudged,
    Event,
    NothingSent,
    RecordDamaged,
    SettlementWritten,
    StoreDown,
)
from gateway.protocol.model import (
    AnswerNotKept,
    Busy,
    CallerChanged,
    Complete,
    Granted,
    KeyExpired,
    MarkUnknown,
    Mismatch,
    Release,
    Replay,
    Settled,
    Settlement,
    Undecided,
)
from gateway.protocol.spans import ClaimSpan, SettleSpan, TraceContext, UpstreamSpan, WaitSpan

_VERDICTS: Mapping[type[Any], str] = {
    Granted: "granted",
    Busy: "in-flight",
    Mismatch: "mismatch",
    CallerChanged: "caller-changed",
    Undecided: "unknown",
    Replay: "replay",
    AnswerNotKept: "not-kept",
    KeyExpired: "expired",
    StoreDown: "unavailable",
    RecordDamaged: "unreadable",
}
_SETTLEMENTS: Mapping[type[Settlement], str] = {Complete: "complete", Release: "release", MarkUnknown: "unknown"}


class ExchangeSpans:
    """The parts of one recorded call. ``upstream`` is the place of its one sending, which the upstream is told."""

    __slots__ = ("_method", "_target", "_trace", "upstream")

    def __init__(self, trace: Trace, target: Target, method: str) -> None:
        self._trace = trace
        self._target = target
        self._method = method
        self.upstream: TraceContext = trace.part()

    def claimed(self, event: Event, begun: float, ended: float) -> None:
        """The store was asked for the right to send."""
        word = _VERDICTS[type(event.verdict if isinstance(event, ClaimJudged) else event)]
        self._trace.tell(ClaimSpan(word), self._trace.part(), begun, ended)

    def waited(self, begun: float, ended: float) -> None:
        """Another call with the key was waited for."""
        self._trace.tell(WaitSpan(), self._trace.part(), begun, ended)

    def sent(self, event: Event, begun: float, ended: float) -> None:
        """The upstream was asked, or was to be."""
        status = event.status if isinstance(event, Answered) else None
        fault = event.reason if isinstance(event, CallLost | NothingSent) else ""
        span = UpstreamSpan(self._method, self._target.host, self._target.port, status, fault)
        self._trace.tell(span, self.upstream, begun, ended)

    def settled(self, settlement: Settlement, event: SettlementWritten, begun: float, ended: float) -> None:
        """What came of it was written."""
        outcome = "settled" if isinstance(event.answer, Settled) else "moved"
        self._trace.tell(SettleSpan(_SETTLEMENTS[type(settlement)], outcome), self._trace.part(), begun, ended)


def result_of(event: Event) -> str:
    """What came of a sending, in a word."""
    if isinstance(event, Answered):
        return "answered"
    return "not-sent" if isinstance(event, NothingSent) else "lost"
