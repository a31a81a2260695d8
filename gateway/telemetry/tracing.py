"""Spans by OTLP. Imported only where traces are exported: OpenTelemetry costs a tenth of a second to load.

Knows the SDK's sampler, its processor with a bounded queue and a thread of its own, and its exporters, each set up by
the standard variables. A call makes its spans as values; here they become the SDK's readable spans at once, without a
tracer in between: every part of a call is told when it has ended, so nothing of a live span is needed, and a recorded
call costs a third. A full queue drops spans and never waits.
"""

import asyncio
import os
import time
from collections.abc import Sequence

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from gateway.ports import Observer
from gateway.protocol.spans import Span, TraceContext
from gateway.telemetry.reach import Reach, apart
from gateway.telemetry.resource import SCOPE, resource
from gateway.telemetry.words import BEGINNINGS, told

_SAMPLED, _UNSAMPLED = TraceFlags(TraceFlags.SAMPLED), TraceFlags(TraceFlags.DEFAULT)
_ERROR, _UNSET = Status(StatusCode.ERROR), Status(StatusCode.UNSET)
_BILLION = 1_000_000_000


class Recording:
    """``ports.Trace``: one call, or inquiry, that is recorded."""

    __slots__ = ("_began", "_parent", "_sink", "_wall", "context")

    def __init__(self, sink: "OtlpTracer", context: TraceContext, parent: TraceContext | None) -> None:
        self.context = context
        self._sink = sink
        self._parent = parent
        # The wall's clock is read once a call, so that its parts lie to each other as they did.
        self._began, self._wall = time.monotonic(), time.time_ns()

    def part(self) -> TraceContext:
        """A place for a part."""
        return TraceContext(self.context.trace_id, os.urandom(8), sampled=True)

    def tell(self, span: Span, context: TraceContext, begun: float, ended: float) -> None:
        """A part has ended."""
        self._sink.take(span, context, self.context, self._at(begun), self._at(ended), remote=False)

    def end(self, span: Span) -> None:
        """The whole has ended."""
        self._sink.take(span, self.context, self._parent, self._wall, self._at(time.monotonic()), remote=True)

    def _at(self, moment: float) -> int:
        return self._wall + int((moment - self._began) * _BILLION)


class OtlpTracer:
    """``ports.Tracer``: samples as ``OTEL_TRACES_SAMPLER`` says, and exports in a thread."""

    def __init__(self, exporter: SpanExporter, observer: Observer, store: str) -> None:
        self._store = store
        self._resource: Resource = resource()
        # Read from the environment, by the SDK's own rules.
        self._sampler = TracerProvider(resource=self._resource, shutdown_on_exit=False).sampler
        self._processor = BatchSpanProcessor(_Watched(exporter, Reach("traces", observer)))

    def begin(self, parent: TraceContext | None, kind: type[Span]) -> Recording | None:
        """Whether this one is recorded is decided here, once for all of its parts."""
        trace_id = os.urandom(16) if parent is None else parent.trace_id
        above = None if parent is None else set_span_in_context(NonRecordingSpan(_context(parent, remote=True)))
        name, of_kind = kind.__name__, SpanKind[BEGINNINGS[kind]]
        result = self._sampler.should_sample(above, int.from_bytes(trace_id, "big"), name, of_kind)
        if result.decision is not Decision.RECORD_AND_SAMPLE:
            return None
        return Recording(self, TraceContext(trace_id, os.urandom(8), sampled=True), parent)

    def take(
        self, span: Span, context: TraceContext, parent: TraceContext | None, begun: int, ended: int, *, remote: bool
    ) -> None:
        """Hands a span to the queue. ``begun``, ``ended``: nanoseconds since 1970."""
        words = told(span, self._store)
        self._processor.on_end(
            ReadableSpan(
                words.name,
                context=_context(context, remote=False),
                parent=None if parent is None else _context(parent, remote=remote),
                resource=self._resource,
                attributes=words.attributes,
                links=_links(words.original),
                kind=SpanKind[words.kind],
                status=_ERROR if words.failed else _UNSET,
                start_time=begun,
                end_time=ended,
                instrumentation_scope=SCOPE,
            )
        )

    async def stop(self, seconds: float) -> None:
        """Exports what is left, for so long at most."""
        ended = apart(self._processor.shutdown)
        await asyncio.wait([ended], timeout=seconds)


class _Watched(SpanExporter):
    """An exporter that says whether what it is given arrives."""

    def __init__(self, exporter: SpanExporter, reach: Reach) -> None:
        self._exporter = exporter
        self._reach = reach

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """One batch."""
        result = SpanExportResult.FAILURE
        try:
            result = self._exporter.export(spans)
        finally:
            self._reach.heard(arrived=result is SpanExportResult.SUCCESS)
        return result

    def shutdown(self) -> None:
        """No more."""
        self._exporter.shutdown()


def _context(place: TraceContext, *, remote: bool) -> SpanContext:
    trace_id, span_id = int.from_bytes(place.trace_id, "big"), int.from_bytes(place.span_id, "big")
    return SpanContext(trace_id, span_id, remote, _SAMPLED if place.sampled else _UNSAMPLED)


def _links(original: bytes) -> tuple[Link, ...]:
    """The call whose answer this one got: it was recorded, or there would be nothing to link to."""
    if not original:
        return ()
    return (Link(_context(TraceContext(original[:16], original[16:], sampled=True), remote=True)),)
