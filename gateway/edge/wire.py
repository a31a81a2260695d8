"""The downstream connection: uvicorn's httptools protocol with the guard before anything else.

uvicorn lets through what the guard refuses, and appends trailers to the fields that the application reads: when head
and trailers come in one segment even before the application has started. So the head is inspected and frozen here,
when it is complete and not later. After a refusal the connection is closed and nothing behind it is read.
"""

import socket
import struct
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from gateway.edge.guard import FIELD_LIMIT, HEADER_LIMIT, TARGET_LIMIT, inspect
from gateway.edge.presence import Presence
from gateway.protocol import problems
from gateway.protocol.headers import ORIGIN, values
from gateway.protocol.problems import Problem

# A head that is still incomplete may not be larger than its parts together may be.
HEAD_LIMIT = TARGET_LIMIT + HEADER_LIMIT + 1024

# How long a refused connection may still send what nobody reads, in seconds.
LINGER = 1.0

# ``SO_LINGER``, on, for no time: the connection is reset.
_RESET = struct.pack("ii", 1, 0)


class RefusedError(Exception):
    """Raised inside a parser callback to stop the parser; never leaves this module."""


class GuardedProtocol(HttpToolsProtocol):
    """One downstream connection."""

    problem_base: ClassVar[str] = problems.URN

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's own signature
        super().__init__(*args, **kwargs)
        self._refusal: Problem | None = None
        self._in_head = False
        self._head_bytes = 0
        self._header_bytes = 0
        self._closed_for_input = False
        self._answering: RequestResponseCycle | None = None
        self._presence = Presence()

    def connection_lost(self, exc: Exception | None) -> None:
        """The caller is gone: every call on this connection hears it, not only the newest as in uvicorn."""
        for cycle in (self._answering, *(queued for queued, _ in self.pipeline)):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()
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
        head_before = self._head_bytes
        super().data_received(data)
        if self._in_head and not self._closed_for_input:
            self._head_bytes = head_before + len(data)
            if self._head_bytes > HEAD_LIMIT:
                self._refusal = problems.head_too_large(f"The request head is larger than {HEAD_LIMIT} bytes.")
                self.send_400_response("")

    def on_message_begin(self) -> None:
        """A request begins; nothing of the one before counts."""
        super().on_message_begin()
        self._in_head = True
        self._head_bytes = self._header_bytes = 0

    def on_url(self, url: bytes) -> None:
        """A piece of the request target."""
        super().on_url(url)
        if len(self.url) > TARGET_LIMIT:
            self._refuse(problems.target_too_long(TARGET_LIMIT))

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head, or of the trailers, which nobody here reads."""
        if not self._in_head:
            return
        self._header_bytes += len(name) + len(value) + 4
        if self._header_bytes > HEADER_LIMIT or len(self.headers) >= FIELD_LIMIT:
            detail = f"The header is larger than {HEADER_LIMIT} bytes or has more than {FIELD_LIMIT} fields."
            self._refuse(problems.head_too_large(detail))
        super().on_header(name, _bare(name, value))

    def on_headers_complete(self) -> None:
        """The head is whole: inspected before the application starts, frozen before trailers can join it."""
        self._in_head = False
        assert self.parser is not None  # noqa: S101 - it is the parser that calls
        method, version = self.parser.get_method(), self.parser.get_http_version()
        if version not in ("1.1", "1.0"):
            self._refuse(problems.bad_request("This gateway speaks HTTP/1.1 and HTTP/1.0."))
        if problem := inspect(method, self.url, version, tuple(self.headers)):
            self._refuse(problem)
        self.scope["headers"] = tuple(self.headers)
        super().on_headers_complete()
        self.scope["raw_path"] = self.url
        self.scope["state"] = {"presence": self._presence}

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401 - uvicorn's own signature
        self._answering = cycle
        super()._start_asgi_task(cycle, _Unchunked(cycle, app) if cycle.scope["http_version"] == "1.0" else app)

    def _refuse(self, problem: Problem) -> None:
        self._refusal = problem
        raise RefusedError(problem.detail)

    def send_400_response(self, msg: str) -> None:
        """Answers a refusal and closes; behind a request that is still being answered it only closes, later.

        Written now, the refusal would reach the caller as the answer to that earlier request.
        """
        self._closed_for_input = True
        earlier = self._being_answered()
        if earlier and not earlier.more_body:
            earlier.keep_alive = False
            return
        if earlier and (earlier.response_started or self.pipeline):
            self.transport.close()
            return
        problem = self._refusal or problems.bad_request("The request is not valid HTTP.")
        self.transport.write(_on_the_wire(problem, self.problem_base))
        self._close_when_heard()

    def _being_answered(self) -> RequestResponseCycle | None:
        cycle: RequestResponseCycle | None = self.cycle  # None until the first request, whatever its stub says.
        return None if not cycle or cycle.response_complete else cycle

    def _close_when_heard(self) -> None:
        """Closing on unread bytes would reset the connection and take the answer with it (RFC 9112, section 9.6)."""
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER, self.transport.close)


class _Unchunked:
    """An application for callers of HTTP/1.0, who know no chunks: an answer without a length ends the connection."""

    def __init__(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401 - uvicorn's own type of it
        self._cycle = cycle
        self._app = app
        self._endless = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's own types
        await self._app(scope, receive, self._send)
        if self._endless and not self._cycle.response_complete:
            # Only a reset tells this caller that the answer is not whole.
            transport = self._cycle.transport
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._cycle.disconnected = True
            transport.abort()

    async def _send(self, message: Any) -> None:  # noqa: ANN401 - ASGI's own type
        if message["type"] == "http.response.start":
            self._endless = not values(message["headers"], b"content-length")
            if self._endless:
                self._cycle.chunked_encoding = False
        elif self._endless:
            # As much as comes is as much as was promised.
            self._cycle.expected_content_length = len(message["body"])
        await self._cycle.send(message)


def _bare(name: bytes, value: bytes) -> bytes:
    """A value without the white space around it (RFC 9110, section 5.5), of which the parser takes the front only.

    ``Transfer-Encoding`` stays as it came, to be refused: a parser may not see ``chunked`` in it.
    """
    return value if name.lower() == b"transfer-encoding" else value.strip(b" \t")


def _on_the_wire(problem: Problem, base: str) -> bytes:
    response = problem.render(base, "urn:idempotency-gateway:connection")
    fields = (*response.headers, (ORIGIN, b"gateway"), (b"Connection", b"close"))
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in fields)
    return STATUS_LINE[response.status] + lines + b"\r\n" + response.body
