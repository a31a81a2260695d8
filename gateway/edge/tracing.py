"""A call's trace at the edge: the context that it came with, the one it goes on with, and its own span where recorded.

Knows that a call that nobody records is passed on in its caller's context, and costs no span. Refuses to know what is
recorded, and by whom.
"""

import os
from collections.abc import Callable
from dataclasses import replace

from gateway.edge.adapt import Head, with_trace
from gateway.policies.routing import Route, Target
from gateway.ports import Trace, Tracer
from gateway.protocol.commands import Reply
from gateway.protocol.model import RecordId, StoredResponse
from gateway.protocol.spans import CallSpan, TraceContext
from gateway.runner.recording import ExchangeSpans


class Recorded:
    """The span of one call that is recorded, while it is being filled in."""

    __slots__ = ("_head", "_reply", "_route", "_trace", "id")

    def __init__(self, trace: Trace, head: Head, route: Route | None) -> None:
        self._trace = trace
        self._head = head
        self._route = route
        self._reply: Reply | None = None
        self.id: RecordId | None = None

    @property
    def context(self) -> TraceContext:
        """Its place."""
        return self._trace.context

    def parts(self, target: Target) -> ExchangeSpans:
        """For whoever carries out the call."""
        return ExchangeSpans(self._trace, target, self._head.method)

    def answered(self, reply: Reply) -> None:
        """What the caller is told."""
        self._reply = reply

    def end(self) -> None:
        """The call has been answered, or its caller is gone."""
        reply, head = self._reply, self._head
        response = None if reply is None else reply.response
        self._trace.end(
            CallSpan(
                route="" if self._route is None else self._route.name,
                method=head.method,
                scheme=head.caller.scheme,
                status=None if response is None else response.status,
                outcome="" if reply is None or reply.outcome is None else str(reply.outcome),
                id=self.id,
                original=response.trace if isinstance(response, StoredResponse) else b"",
            )
        )


# A head, perhaps without a field that leads nowhere; its ``traceparent``; its span, where it is recorded.
Traced = tuple[Head, bytes, Recorded | None]


def untraced(head: Head, _route: Route | None) -> Traced:
    """Where no telemetry is configured: the caller's context goes on as it came, or a new one begins."""
    head, sent = with_trace(head)
    return head, _begun() if sent is None else sent.traceparent, None


def _begun() -> bytes:
    """A trace that nobody records, so that the upstream's own log can name it."""
    chance = os.urandom(24).hex()
    return f"00-{chance[:32]}-{chance[32:]}-00".encode()


def tracing(tracer: Tracer) -> Callable[[Head, Route | None], Traced]:
    """Where it is: ``tracer`` decides."""

    def trace(head: Head, route: Route | None) -> Traced:
        head, sent = with_trace(head)
        begun = tracer.begin(sent, CallSpan)
        if begun is None:
            return head, _begun() if sent is None else replace(sent, sampled=False).traceparent, None
        return head, begun.context.traceparent, Recorded(begun, head, route)

    return trace
