"""What is done with every request of the operator's listener, and with every answer, the framework's own included.

A body that says it is too large is refused unread. Every answer tells browsers to load nothing, frame nothing and guess
nothing; a page that needs more says so itself.
"""

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.admin import problems

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Outermost:
    """An application around ``app``; ``largest``: body in bytes; ``base``: of problem types."""

    def __init__(self, app: ASGIApp, largest: int, base: str) -> None:
        self._app = app
        self._largest = largest
        self._base = base

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        # The listener has seen to it that a length is a number.
        declared = int(Request(scope).headers.get("content-length", "0"))
        app = problems.too_large().answer(self._base) if declared > self._largest else self._app
        await app(scope, receive, tell)
