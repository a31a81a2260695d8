"""Answers for callers of HTTP/1.0, who know no chunks (RFC 9112, section 7.1): the end of the connection is the end.

Knows uvicorn's cycle of one request and answer. Refuses to know what is answered.
"""

from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from gateway.edge.leaving import reset
from gateway.protocol.headers import values


class Unchunked:
    """An application for callers of HTTP/1.0, who know no chunks: an answer without a length ends the connection."""

    def __init__(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401 - uvicorn's own type of it
        self._cycle = cycle
        self._app = app
        self._endless = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's own types
        """``ASGI``."""
        await self._app(scope, receive, self._send)
        if self._endless and not self._cycle.response_complete:
            # Only a reset tells this caller that the answer is not whole.
            self._cycle.disconnected = True
            reset(self._cycle.transport)

    async def _send(self, message: Any) -> None:  # noqa: ANN401 - ASGI's own type
        if message["type"] == "http.response.start":
            self._endless = not values(message["headers"], b"content-length")
            if self._endless:
                self._cycle.chunked_encoding = False
        elif self._endless:
            # As much as comes is as much as was promised.
            self._cycle.expected_content_length = len(message["body"])
        await self._cycle.send(message)
