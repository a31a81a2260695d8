"""The page's session: a token once shown, then a cookie that stands for it until its end.

A ticket is sealed with a secret that all gateways on one store derive alike, so each of them takes what another gave.
It names a token and never holds it; a token that is changed, removed or given another role ends or changes its
sessions. Nothing is kept on the server: signing out takes the cookie away, and its end is fixed.
"""

import hashlib
import hmac
import re
import time
from collections.abc import Callable, Sequence
from datetime import timedelta

from gateway.config.configuration import AdminToken
from gateway.protocol.headers import SESSION_COOKIE

COOKIE = SESSION_COOKIE.decode()

# A shift; then the token is asked for again.
LASTS = timedelta(hours=8)

_TICKET = re.compile(r"([A-Za-z0-9._-]{1,63})~([0-9]{1,12})~([0-9a-f]{64})")


class Sessions:
    """Tickets for tokens, under one secret. ``now`` gives seconds since 1970."""

    def __init__(self, secret: bytes, tokens: Sequence[AdminToken], now: Callable[[], float] = time.time) -> None:
        self._secret = secret
        self._tokens = {token.name: token for token in tokens}
        self._now = now

    def ticket(self, token: AdminToken) -> str:
        """A cookie's value that stands for ``token`` from now on."""
        end = int(self._now() + LASTS.total_seconds())
        return f"{token.name}~{end}~{self._seal(token, end)}"

    def holder(self, ticket: str) -> AdminToken | None:
        """The token that a ticket stands for, while it does."""
        found = _TICKET.fullmatch(ticket)
        token = self._tokens.get(found[1]) if found else None
        if found is None or token is None:
            return None
        sealed = hmac.compare_digest(self._seal(token, int(found[2])), found[3])
        return token if sealed and self._now() < int(found[2]) else None

    def _seal(self, token: AdminToken, end: int) -> str:
        shown = hashlib.sha256(token.secret).digest()
        return hmac.digest(self._secret, shown + f"{end}~{token.name}".encode(), "sha256").hex()
