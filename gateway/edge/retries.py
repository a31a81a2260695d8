"""Retries that come as the very bytes of a request that was replayed already: answered before anything is parsed.

Everything that the gateway asks of a request (is it HTTP, which route, which key, whose, the same as the first) follows
from its bytes and the configuration, so the same bytes ask for the same answer for as long as the kept record stands
(``ports.Forms``). Requests are known by a digest under a secret of this process: nothing of them is kept.

Not where the answer depends on more than the bytes: on who may call just now, on how often somebody called, on a trace.
"""

import hashlib
import os
from typing import Any

from gateway.ports import Form, Forms, Observer
from gateway.protocol import observations as seen
from gateway.protocol.model import RecordId
from gateway.protocol.outcomes import Outcome

# Bytes of a request that is looked for here; larger ones cost more to digest than to parse.
LARGEST = 16 * 1024


class Retries:
    """What connections ask first, and the edge adds to."""

    __slots__ = ("_forms", "_observer", "_secret")

    def __init__(self, forms: Forms, observer: Observer) -> None:
        self._forms = forms
        self._observer = observer
        self._secret = os.urandom(32)

    def answer(self, request: bytes) -> bytes | None:
        """The answer on the wire to a whole request, ``None`` where it has to be looked at."""
        if not self._forms.any or len(request) > LARGEST:
            return None
        form = self._forms.recall(self._digest(request))
        if form is None:
            return None
        self._observer.observe(
            seen.Answered(form.route, Outcome.REPLAYED.value, form.status, seconds=0.0, added=0.0, id=form.id)
        )
        return form.data

    def remember(self, request: bytes, id: RecordId, route: str, status: int, data: bytes) -> None:  # noqa: A002
        """``data`` was the answer to ``request``, a replay of the record."""
        self._forms.remember(self._digest(request), Form(id, route, status, data))

    def _digest(self, request: Any) -> bytes:  # noqa: ANN401 - bytes, or what uvloop gives for them
        return hashlib.blake2b(request, key=self._secret, digest_size=32).digest()
