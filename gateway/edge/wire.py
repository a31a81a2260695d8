"""The downstream connection: uvicorn's httptools protocol with the guard before anything else.

uvicorn lets through what the guard refuses, and appends trailers to the fields that the application reads: when head
and trailers come in one segment even before the application has started. So the head is inspected and frozen here,
when it is complete and not later. After a refusal the connection is closed and nothing behind it is read.
"""

from typing import Any, ClassVar, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from gateway.edge.guard import HEADER_LIMIT, TARGET_LIMIT, as_sent, inspect
from gateway.edge.leaving import Exit, close_when_heard
from gateway.edge.old_callers import Unchunked
from gateway.edge.pace import Pace
from gateway.edge.paced import PacedProtocol
from gateway.edge.retries import Retries
from gateway.policies.downstream import Downstream
from gateway.ports import Observer
from gateway.protocol import observations as seen
from gateway.protocol import problems
from gateway.protocol.headers import ORIGIN
from gateway.protocol.problems import Problem

# A head that is still incomplete may not be larger than its parts together may be.
HEAD_LIMIT = TARGET_LIMIT + HEADER_LIMIT + 1024

# What a chunked body may bring along besides its content (sizes, extensions, trailers), in bytes, and for each byte of
# content: a chunk for every byte passes, a trailer that never ends does not. The parser would keep all of it.
FRAMING_LIMIT = HEADER_LIMIT
FRAMING_OF_A_BYTE = 8


# How many connections beyond the most are told so before they are closed, and no more than a quarter of it, because
# they hold descriptors while they are; others hear nothing.
TOLD = 16


class RefusedError(Exception):
    """Raised inside a parser callback to stop the parser; never leaves this module."""


class GuardedProtocol(PacedProtocol):
    """One downstream connection."""

    problem_base: ClassVar[str] = problems.URN
    most_connections: ClassVar[int] = Downstream().max_connections
    retries: ClassVar[Retries | None] = None
    # The gateway is about to stop: an answer tells its caller to connect anew, and so elsewhere.
    retiring: ClassVar[bool] = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's own signature
        super().__init__(*args, **kwargs)
        self._refusal: Problem | None = None
        self._head_bytes = 0
        self._content = 0
        self._answering: RequestResponseCycle | None = None
        self._exit: Any = None

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - uvicorn's own signature
        """A caller is there."""
        super().connection_made(transport)
        self._exit = Exit(transport, self._write, self._leave)
        if (over := len(self.connections) - self.most_connections) > 0:
            self.observer.observe(seen.Shed("", "connections"))
            if over > max(1, min(TOLD, self.most_connections // 4)):
                transport.abort()
            else:
                self._refuse_now(problems.overloaded("connections"))

    def connection_lost(self, exc: Exception | None) -> None:
        """The caller is gone: every call on this connection hears it, not only the newest as in uvicorn."""
        for cycle in (self._answering, *(queued for queued, _ in self.pipeline)):
            self._tell_gone(cycle)
        super().connection_lost(exc)
        self._presence.leave()

    def shutdown(self) -> None:
        """The server stops. A request of which nothing was forwarded and half is still to come is dropped."""
        newest = self._being_answered()
        if newest is None or not newest.more_body or self.pipeline or self._presence.counts:
            super().shutdown()
        else:
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        """Bytes from downstream, until the first refusal."""
        if self._closed_for_input:
            return
        retries = self.retries
        between = retries is not None and not self.retiring and self._is_between()
        if retries is not None and between and (answer := retries.answer(data)) is not None:
            self._turn += 1
            self._write(answer)
            return
        head_before, turn = self._head_bytes, self._turn
        self._heard += len(data)
        super().data_received(data)
        self._weigh(head_before + len(data))
        if between and self._turn == turn + 1 and not self._closed_for_input and not self._in_head:
            self._remember(data)

    def _remember(self, data: bytes) -> None:
        """What came is one request and no other; if it is whole, the application may know. It has not begun yet."""
        if not self.cycle.more_body:
            cast("dict[str, Any]", self.cycle.scope)["state"]["came"] = data

    def _is_between(self) -> bool:
        """Whether one call is over and the next has not begun: what comes now is the beginning of a request."""
        cycle = self.cycle
        over = not cycle or (cycle.response_complete and not cycle.more_body)
        return over and not self._in_head and not self.flow.write_paused and not self.transport.is_closing()

    def _weigh(self, head_bytes: int) -> None:
        """In the middle of a head: how large it is. In that of a body: how much of it is none."""
        if self._closed_for_input:
            return
        if self._in_head:
            self._head_bytes = head_bytes
            if head_bytes > HEAD_LIMIT:
                self._refuse_now(problems.head_too_large(f"The request head is larger than {HEAD_LIMIT} bytes."))
        elif self.cycle and self.cycle.more_body and self._framing() > FRAMING_OF_A_BYTE * self._content:
            self._refuse_now(problems.bad_request("The body is mostly chunk extensions or trailers."))

    def _framing(self) -> int:
        """The bytes that stood around the body's, beyond what any body may have."""
        return self._heard - self._content - FRAMING_LIMIT

    def on_message_begin(self) -> None:
        """A request begins; nothing of the one before counts."""
        super().on_message_begin()
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        """A piece of the request target."""
        super().on_url(url)
        if len(self.url) > TARGET_LIMIT:
            self._refuse(problems.target_too_long(TARGET_LIMIT))

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head, or of the trailers, which nobody here reads.

        All of a head are looked at together when it is whole: there are no more of them than one read may bring.
        """
        if self._in_head:
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is whole: inspected before the application starts, frozen before trailers can join it."""
        self._in_head = False
        # What of this segment is the body is not known yet, so that it counts for nothing.
        self._heard = self._content = 0
        assert self.parser is not None  # noqa: S101 - it is the parser that calls
        method, version = self.parser.get_method(), self.parser.get_http_version()
        if version not in ("1.1", "1.0"):
            self._refuse(problems.bad_request("This gateway speaks HTTP/1.1 and HTTP/1.0."))
        head = as_sent(self.headers)
        if problem := inspect(method, self.url, version, head):
            self._refuse(problem)
        # RFC 9110, section 10.1.1: a caller of HTTP/1.0 would take it for the answer. No other expectation got here.
        self.expect_100_continue = version != "1.0" and b"expect" in head.names
        self.scope["headers"] = head
        self.scope["state"] = {"presence": self._presence}
        super().on_headers_complete()
        self.scope["raw_path"] = self.url

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._content += len(body)
        super().on_body(body)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401 - uvicorn's own signature
        self._answering = cycle
        cycle.transport = self._exit
        if self.retiring:
            cycle.keep_alive = False
        if cycle.scope["http_version"] == "1.0":
            app = Unchunked(cycle, app)
        else:
            cast("dict[str, Any]", cycle.scope)["state"]["cycle"] = cycle
        super()._start_asgi_task(cycle, app)

    def _refuse(self, problem: Problem) -> None:
        self._refusal = problem
        raise RefusedError(problem.detail)

    def _refuse_now(self, problem: Problem) -> None:
        self._refusal = problem
        self.send_400_response("")

    def send_400_response(self, msg: str) -> None:
        """Answers a refusal and closes; behind a request that is still being answered it only closes, later.

        Written now, the refusal would reach the caller as the answer to that earlier request.
        """
        self._closed_for_input = True
        problem = self._refusal or problems.bad_request("The request is not valid HTTP.")
        self.observer.observe(seen.Answered("", problem.name, problem.status))
        earlier = self._being_answered()
        if earlier and not earlier.more_body:
            earlier.keep_alive = False
            return
        if earlier and (earlier.response_started or self.pipeline):
            self.transport.close()
            return
        self.transport.write(_on_the_wire(problem, self.problem_base))
        self._tell_gone(earlier)  # Whatever reads the rest of this request would wait for nothing.
        self._presence.leave()
        close_when_heard(self.loop, self.transport)

    @staticmethod
    def _tell_gone(cycle: RequestResponseCycle | None) -> None:
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()

    def _leave(self) -> None:
        """A cycle closes the connection behind its answer; the caller may still be sending."""
        self._closed_for_input = self._left = True
        if not self.cycle.more_body and not self.pipeline:
            self.transport.close()
            return
        self.pipeline.clear()
        self.flow.resume_reading()
        close_when_heard(self.loop, self.transport)


def guarding(
    base: str, observer: Observer, downstream: Downstream, retries: Retries | None = None
) -> type[GuardedProtocol]:
    """The connections of one gateway: ``base`` is put before a problem's name."""
    patient = {"pace": Pace(downstream.patience), "most_connections": downstream.max_connections}
    known = {"problem_base": base, "observer": observer, "retries": retries}
    return type("Connection", (GuardedProtocol,), {**known, **patient})


def _on_the_wire(problem: Problem, base: str) -> bytes:
    response = problem.render(base, "urn:idempotency-gateway:connection")
    fields = (*response.headers, (ORIGIN, b"gateway"), (b"Connection", b"close"))
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in fields)
    return STATUS_LINE[response.status] + lines + b"\r\n" + response.body
