"""``/.well-known/idempotency``: the policies as callers may read them, whatever the routes cover.

Written once, because nothing in it changes while the gateway runs.
"""

import json

from gateway.policies.published import published
from gateway.policies.routing import RouteTable
from gateway.protocol import problems
from gateway.protocol.model import Origin, StoredResponse
from gateway.protocol.problems import Problem

# A roll-out that changes a policy is heard of soon.
_KEPT = b"public, max-age=60"


class WellKnown:
    """The answer to whoever asks."""

    def __init__(self, routes: RouteTable) -> None:
        body = json.dumps(published(routes), ensure_ascii=False, indent=2).encode() + b"\n"
        fields = (
            (b"Content-Type", b"application/json"),
            (b"Content-Length", str(len(body)).encode()),
            (b"Cache-Control", _KEPT),
        )
        self._answer = StoredResponse(200, fields, body, Origin.GATEWAY)

    def answer(self, method: str) -> StoredResponse | Problem:
        """To ``GET`` and ``HEAD``; nothing else is done there."""
        return self._answer if method in ("GET", "HEAD") else problems.only_read()
