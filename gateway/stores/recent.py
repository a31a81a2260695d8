"""Answers that were replayed lately, kept in this process: a retry of one costs the store no trip.

Law 6 of a record allows it: a completed record never changes but by being forgotten. What is kept is the record that
the authority's verdict was made of, and the same function judges it (``protocol.claims.judge``), so that scope and
fingerprint count as they do there. It never grants: whatever is not here is for the store. A copy ends

- when this process, or another one whose word comes, has the record forgotten;
- ``longest`` after it was asked for, the store was asked once more then; where no word of others comes, ``UNHEARD``;
- when its answer is no longer replayed: by the rest that the authority's clock told, counted from before it was asked;
- when room is needed, the oldest first.

Only what is replayed a second time is kept: most keys are never retried, and would only push out those that are. Knows
no store by name, and writes nothing down; an answer lies here as it goes to its caller, unsealed.
"""

import asyncio
from dataclasses import dataclass, field

from gateway.ports import Calls, Clock, Form, Observer
from gateway.protocol import observations as seen
from gateway.protocol.claims import judge
from gateway.protocol.model import (
    Claim,
    Completed,
    Granted,
    RecordId,
    Replay,
    StoredResponse,
    Verdict,
)

# Seconds that a copy lasts where no word comes of what others have forgotten.
UNHEARD = 1.0

# One answer may take this part of the room at most, so that it pushes out few others.
LARGEST = 16

# Bytes beside an answer's own, measured: the record, its digests, and the pair of each field; and beside a form's.
RECORD, FIELD, FORM = 1200, 160, 400

# Requests that differ in what does not matter for a replay are kept in so many forms.
FORMS = 4

# Seconds, at least, between two looks at what has ended.
_SELDOM = 1.0

_ANSWERED = seen.RecentAnswered()


@dataclass(slots=True)
class _Copy:
    """A completed record, how large it is in bytes, and until when it is believed (monotonic); ``forms``: the requests
    whose answer is known in its form on the wire."""

    record: Completed
    size: int
    until: float
    forms: list[bytes] = field(default_factory=list[bytes])


class Recent:
    """``ports.Calls`` over another, its ``ports.Keeper`` and ``ports.Forms``. ``most``: bytes; ``longest``: seconds."""

    def __init__(self, store: Calls, clock: Clock, observer: Observer, most: int, longest: float) -> None:
        self._store = store
        self._clock = clock
        self._observer = observer
        self._most = most
        self._longest = longest
        self._lasts = min(longest, UNHEARD)
        # By digest, the oldest first.
        self._copies: dict[bytes, _Copy] = {}
        self._forms: dict[bytes, tuple[_Copy, Form]] = {}
        self._taken = 0
        # Grows with each word: what was asked before it may be out of date, whichever record it was about.
        self._words = 0
        self._timer: asyncio.TimerHandle | None = None
        self.settle = store.settle
        self.watch = store.watch

    async def claim(self, claim: Claim) -> Verdict:
        """Law S1 is the store's; here is only what it said already."""
        asked, words = self._clock.monotonic(), self._words
        copy = self._copies.get(claim.id.digest)
        if claim.others and copy is None:
            copy = next((kept for each in claim.ids if (kept := self._copies.get(each.digest)) is not None), None)
        if copy is not None and asked < copy.until:
            # Until then any moment judges it alike, and this one is surely before its end.
            verdict = judge(copy.record, claim, copy.record.created_at)
            if not isinstance(verdict, Granted):
                self._observer.observe(_ANSWERED)
                return verdict
        verdict = await self._store.claim(claim)
        if isinstance(verdict, Replay) and verdict.known is not None and words == self._words:
            self._keep(verdict.known, verdict.response, asked, verdict.rest.total_seconds())
        return verdict

    @property
    def any(self) -> bool:
        """``ports.Forms``."""
        return bool(self._forms)

    def recall(self, request: bytes) -> Form | None:
        """The form that answers the request, while its record is believed."""
        found = self._forms.get(request)
        if found is None or found[0].until <= self._clock.monotonic():
            return None
        self._observer.observe(_ANSWERED)
        return found[1]

    def remember(self, request: bytes, form: Form) -> None:
        """Beside its record, if that is kept and there is room without pushing out anything."""
        copy, size = self._copies.get(form.id.digest), FORM + len(form.data)
        if copy is None or request in self._forms or len(copy.forms) >= FORMS or self._taken + size > self._most:
            return
        copy.forms.append(request)
        copy.size += size
        self._taken += size
        self._forms[request] = copy, form
        self._observer.observe(seen.RecentKept(size))

    def forgotten(self, record_id: RecordId) -> None:
        """Law K1."""
        self._words += 1
        self._drop(record_id.digest, "forgotten")

    def heeds(self, *, others: bool) -> None:
        """Law K2: what is kept now was heard under the rule that ends here."""
        self._words += 1
        self._lasts = self._longest if others else min(self._longest, UNHEARD)
        for digest in list(self._copies):
            self._drop(digest, "unheard")

    def close(self) -> None:
        """Keeps nothing any more."""
        self._words += 1
        if self._timer is not None:
            self._timer.cancel()
        self._copies.clear()
        self._forms.clear()

    def _keep(self, record: Completed, response: StoredResponse, asked: float, rest: float) -> None:
        fields = sum([len(name) + len(value) + FIELD for name, value in response.headers])
        size = RECORD + len(response.body) + fields
        until = asked + min(rest, self._lasts)
        if size > self._most // LARGEST or until <= asked:
            return
        self._drop(record.id.digest, "renewed")
        self._end(asked)
        while self._copies and self._taken + size > self._most:
            self._drop(next(iter(self._copies)), "room")
        self._copies[record.id.digest] = _Copy(record, size, until)
        self._taken += size
        self._observer.observe(seen.RecentKept(size))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(until - asked, self._look)

    def _drop(self, digest: bytes, reason: str) -> None:
        copy = self._copies.pop(digest, None)
        if copy is not None:
            self._taken -= copy.size
            for request in copy.forms:
                del self._forms[request]
            self._observer.observe(seen.RecentDropped(reason, copy.size))

    def _end(self, now: float) -> None:
        """Drops what is believed no more, from the oldest on; one of a shorter life may stay behind an older one."""
        while self._copies and (oldest := next(iter(self._copies.items())))[1].until <= now:
            self._drop(oldest[0], "age")

    def _look(self) -> None:
        """So that nothing lies here for long after its end (law 6), whether or not anybody calls."""
        self._timer = None
        now = self._clock.monotonic()
        for digest in [digest for digest, copy in self._copies.items() if copy.until <= now]:
            self._drop(digest, "age")
        if self._copies:
            left = min(copy.until for copy in self._copies.values()) - now
            self._timer = asyncio.get_running_loop().call_later(max(left, _SELDOM), self._look)
