"""The operator's desk: records found, shown and decided on, for the API and the page alike, and every verb audited.

Knows the routes, whose policies say what an answer may be and how long a decision is remembered, and the digests by
which a key's text is found. Refuses to know HTTP, and who may come to it.
"""

import math
import secrets
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from gateway.admin.answers import GivenAnswer, Word, judged
from gateway.admin.guarding import PREFIX
from gateway.admin.outcomes import Absent, Erased, Held, Outcome, Overtaken, Rejected, Underway, word_for
from gateway.errors import RecordUnreadable, StoreUnavailable
from gateway.policies.policy import Policy
from gateway.policies.routing import RouteTable
from gateway.ports import Observer
from gateway.protocol import observations as seen
from gateway.protocol.claims import RESPONSE_TIMEOUT
from gateway.protocol.decisions import Decided, Decision
from gateway.protocol.dossier import Dossier, Entry, Open, Page, Query, State
from gateway.protocol.fingerprint import Digester
from gateway.protocol.key import parse_key
from gateway.protocol.model import Busy, Complete, Forgotten, Moved, RecordId, Release, Retention
from gateway.protocol.terms import Terms
from gateway.registry import Records

# No key is longer.
LONGEST_KEY = 1024


@dataclass(frozen=True, slots=True)
class Desk:
    """What an operator does with records. Faults of the store are ``StoreUnavailable`` and ``RecordUnreadable``.

    ``by`` is the operator's name; ``word`` has the fence, and perhaps the creation, of the record which was shown, and
    a note for its history.
    """

    records: Records
    routes: RouteTable
    digester: Digester
    observer: Observer

    async def page(self, query: Query, key: str | None = None) -> Page:
        """Records as lists show them; ``key``: only those of a key's text, as callers write it."""
        return await self.records.page(query if key is None else replace(query, ids=self._ids(key)))

    async def dossier(self, record_id: RecordId) -> Dossier | None:
        """One record with its history."""
        return await self.records.dossier(record_id)

    def listening_until(self, entry: Entry) -> datetime | None:
        """Until when an answer may still come of an unknown call by itself, where its caller was answered before that.

        By then the route's ``timeout.total`` has ended the call; no instant for a call that has ended already.
        """
        times = {route.name: route.target.timeouts for route in self.routes.routes}.get(entry.route)
        if entry.state is not State.UNKNOWN or entry.reason != RESPONSE_TIMEOUT or times is None:
            return None
        return entry.since + max(times.total - times.response, timedelta(0))

    async def counts(self) -> Mapping[str, int]:
        """Records by state."""
        return await self.records.count()

    async def open_calls(self) -> Sequence[Open]:
        """Calls in flight and unknown, by route."""
        return await self.records.open_calls()

    async def release(self, record_id: RecordId, word: Word, by: str) -> Outcome:
        """It was not executed: the next call with the key is sent."""
        return await self._audited("release", record_id, by, self._release(record_id, word, by))

    async def resolve(self, record_id: RecordId, given: GivenAnswer, by: str) -> Outcome:
        """This was the answer: later calls get it."""
        return await self._audited("resolve", record_id, by, self._resolve(record_id, given, by))

    async def forget(self, record_id: RecordId, word: Word, by: str) -> Outcome:
        """Its answer is to be gone; asked again, how that stands."""
        return await self._audited("forget", record_id, by, self._forget(record_id, word, by))

    async def _audited(self, verb: str, record_id: RecordId, by: str, work: Coroutine[Any, Any, Outcome]) -> Outcome:
        outcome = "failed"
        try:
            came = await work
            outcome = word_for(came)
        except StoreUnavailable as fault:
            outcome = "unsure" if fault.unsure else "unavailable"
            raise
        except RecordUnreadable:
            outcome = "unreadable"
            raise
        finally:
            self.observer.observe(seen.OperatorVerb(verb, outcome, by, str(record_id)[:PREFIX]))
        return came

    async def _release(self, record_id: RecordId, word: Word, by: str) -> Outcome:
        shown = await self._shown("release", record_id, word)
        if not isinstance(shown, Dossier):
            return shown
        retention = self._policy(shown.entry.route).retention
        return await self._decide("release", _decision(record_id, word.fence, Release(), retention, by, word.note))

    async def _resolve(self, record_id: RecordId, given: GivenAnswer, by: str) -> Outcome:
        shown = await self._shown("resolve", record_id, given)
        if not isinstance(shown, Dossier):
            return shown
        route = shown.entry.route
        policy = self._policy(route)
        answer = judged(given, policy, route)
        if isinstance(answer, list):
            return Rejected(tuple(answer))
        word = Complete(answer)
        decision = _decision(record_id, given.fence, word, policy.retention, by, given.note)
        return await self._decide("resolve", decision)

    async def _forget(self, record_id: RecordId, word: Word, by: str) -> Outcome:
        fence = word.fence
        if word.created_at is not None:
            found = await self.records.dossier(record_id)
            if found is not None and found.entry.created_at != word.created_at:
                return Overtaken("forget", found.entry.state, found.entry.fence, fence, same=False)
        match await self.records.forget(record_id, fence, by, word.note):
            case Forgotten(copies_gone=gone):
                return Erased(gone)
            case Busy(rest=rest):
                return Underway(fence, math.ceil(rest.total_seconds()))
            case Moved():
                return await self._overtaken("forget", record_id, fence)

    async def _shown(self, verb: str, record_id: RecordId, word: Word) -> Dossier | Outcome:
        """The record, where it looks as if the verb may be used on it; the store alone knows, and is asked next."""
        found = await self.records.dossier(record_id)
        if found is None:
            return Absent()
        entry = found.entry
        same = word.created_at in (None, entry.created_at)
        if same and entry.fence == word.fence and entry.state in (State.UNKNOWN, State.IN_FLIGHT):
            return found
        return Overtaken(verb, entry.state, entry.fence, word.fence, same=same)

    async def _decide(self, verb: str, decision: Decision) -> Outcome:
        match await self._heard(decision):
            case Decided(fence=fence, replay_until=until):
                return Held(fence, until)
            case Busy(rest=rest):
                return Underway(decision.fence, math.ceil(rest.total_seconds()))
            case Moved():
                return await self._overtaken(verb, decision.id, decision.fence)

    async def _heard(self, decision: Decision) -> Decided | Moved | Busy:
        """Asked once more where the store was not sure: under the same owner it is the same decision (law 12)."""
        try:
            return await self.records.decide(decision)
        except StoreUnavailable as fault:
            if not fault.unsure:
                raise
        return await self.records.decide(decision)

    async def _overtaken(self, verb: str, record_id: RecordId, fence: int) -> Outcome:
        now = await self.records.dossier(record_id)
        return Overtaken(verb, now.entry.state, now.entry.fence, fence) if now else Absent()

    def _policy(self, name: str) -> Policy:
        """The policy of a record's route. Where there is no such route (any more), as generous as any."""
        policies = {route.name: route.policy for route in self.routes.routes}
        if name in policies:
            return policies[name]
        every = policies.values()
        longest = Retention(
            response=max(each.retention.response for each in every),
            key=max(each.retention.key for each in every),
            unknown=max(each.retention.unknown for each in every),
        )
        largest = max(each.max_response_body for each in every)
        return Policy(terms=Terms(not_executed=frozenset()), retention=longest, max_response_body=largest)

    def _ids(self, key: str) -> frozenset[RecordId]:
        """Where the key's text may be: in each namespace, as it was written and as it is meant."""
        read = parse_key([key.encode()], longest=LONGEST_KEY)
        texts = {key, read} if isinstance(read, str) else {key}
        namespaces = {route.policy.namespace for route in self.routes.routes}
        return frozenset(
            each.record_id(space, text, None) for each in self.digester.all for space in namespaces for text in texts
        )


def _decision(
    record_id: RecordId, fence: int, word: Complete | Release, retention: Retention, by: str, note: str
) -> Decision:
    return Decision(record_id, fence, secrets.token_bytes(16), word, retention, by, note)
