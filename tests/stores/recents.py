"""A store with what it replayed lately in front of it, as a process has both, for tests of any backend."""

import asyncio
from collections.abc import Sequence
from typing import Any

from gateway.protocol.model import Claim, KeyExpired, RecordId, Replay, Verdict
from gateway.protocol.observations import Observation, RecentAnswered, RecentDropped, RecentKept
from gateway.registry import Records
from gateway.stores.recent import Recent
from tests.stores.backends import Backend

MOST, LONGEST = 128 * 1024 * 1024, 60.0


class MovedClock:
    """Monotonic seconds, and what a test adds to them."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Noted:
    """Remembers what was observed."""

    def __init__(self) -> None:
        self.observations: list[Observation] = []
        self.dropped_one = asyncio.Event()

    def observe(self, observation: Observation) -> None:
        self.observations.append(observation)
        if isinstance(observation, RecentDropped):
            self.dropped_one.set()

    @property
    def answered(self) -> int:
        return sum(isinstance(each, RecentAnswered) for each in self.observations)

    @property
    def taken(self) -> int:
        """Bytes that are kept, by the metrics."""
        kept = sum(each.size for each in self.observations if isinstance(each, RecentKept))
        return kept - sum(each.size for each in self.observations if isinstance(each, RecentDropped))

    @property
    def dropped(self) -> Sequence[str]:
        return [each.reason for each in self.observations if isinstance(each, RecentDropped)]


class Both:
    """``registry.Records``: calls by way of what is kept, everything else to the store itself."""

    def __init__(self, store: Records) -> None:
        self._store = store
        self.noted = Noted()
        self.clock = MovedClock()
        self.recent = Recent(store, self.clock, self.noted, MOST, LONGEST)
        store.follow(self.recent)
        # Whoever else forgets tells of it.
        self.recent.heeds(others=True)

    async def claim(self, claim: Claim) -> Verdict:
        """What is replayed is asked for twice, for it is the second time that no store is asked."""
        verdict = await self.recent.claim(claim)
        if not isinstance(verdict, Replay):
            return verdict
        if verdict.known is not None and verdict.known.id != claim.id:
            # While digest keys are rotated, a record under another key's digest is the store's to find each time.
            return verdict
        before = self.noted.answered
        again = await self.recent.claim(claim)
        assert self.noted.answered == before + 1 or isinstance(again, KeyExpired)
        return again

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the store has
        return getattr(self._store, name)


class RecentBackend:
    """Another backend behind what is kept; a record's time passes in both."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._opened: list[Both] = []

    async def open(self) -> Records:
        both: Any = Both(await self._backend.open())
        self._opened.append(both)
        records: Records = both
        return records

    def age(self, record_id: RecordId, seconds: float) -> None:
        self._backend.age(record_id, seconds)
        for both in self._opened:
            both.clock.now += seconds

    def sever(self) -> None:
        self._backend.sever()
        for both in self._opened:
            # What is kept may be told; this is about the store.
            both.recent.heeds(others=True)
