"""Unguarded calls: streamed both ways, answered by the same law as a guarded call that is passed on."""

import time
from collections.abc import AsyncIterator
from dataclasses import replace

from gateway.cuts import Within
from gateway.errors import NotSent, OutcomeUnknown
from gateway.policies.routing import Route
from gateway.ports import Answer, Observer, Outgoing, Upstream
from gateway.protocol import observations as seen
from gateway.protocol.commands import Reply
from gateway.protocol.events import Answered, CallLost, Event, NothingSent
from gateway.protocol.exchange import Call, Passing, step
from gateway.runner.recording import ExchangeSpans, result_of


async def forward(
    upstream: Upstream,
    observer: Observer,
    route: Route,
    call: Call,
    request: Outgoing,
    trace: bytes = b"",
    spans: ExchangeSpans | None = None,
) -> tuple[Reply, Answer | None]:
    """The reply, and the answer whose body is still to be streamed where the upstream gave one."""
    begun, told = time.monotonic(), False
    answer: Answer | None = None
    event: Event
    patience = route.target.timeouts.response.total_seconds()
    try:
        limit = Within(patience)
        with limit:
            if isinstance(request.body, AsyncIterator):
                request = replace(request, body=_flowing(request.body, limit, patience))
            answer = await upstream.send(route.target, request)
        # One that says no length is passed on as it came, in chunks or to the end of its connection.
        body = None if answer.length is None else answer.at_hand()
        event = Answered(answer.status, answer.headers, body)
    except NotSent as fault:
        told = True
        observer.observe(seen.NotSent(route.name, fault.reason, str(fault), trace=trace))
        event = NothingSent(fault.reason)
    except OutcomeUnknown as fault:
        event = CallLost(fault.reason, fault.timed_out)
    except TimeoutError:
        event = CallLost("timeout", timed_out=True)
    _, (reply,) = step(Passing(call), event)
    if not isinstance(reply, Reply):
        raise TypeError("an unguarded call ends with its reply")
    ended = time.monotonic()
    observer.observe(seen.Sent(route.name, result_of(event), ended - begun))
    if spans is not None:
        spans.sent(event, begun, ended)
    # The request comes as it goes, so that nobody can tell what of the time was the gateway's.
    whole = ended - begun
    outcome, status = str(reply.outcome), reply.response.status
    observer.observe(seen.Answered(route.name, outcome, status, whole, whole, trace=trace, told=told))
    return reply, answer


async def _flowing(body: AsyncIterator[bytes], limit: Within, patience: float) -> AsyncIterator[bytes]:
    """A body whose every piece begins the wait anew: an upload that flows is not overdue."""
    async for piece in body:
        yield piece
        limit.extend(patience)
