"""A front that behaves: copies in a dictionary, and orders to be down, slow, flushed or another's."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from gateway.errors import StoreUnavailable, StoreUnfit
from gateway.ports import Front, Hint
from gateway.protocol.fingerprint import Digester
from gateway.protocol.model import Completed, RecordId
from gateway.protocol.observations import Observation
from gateway.registry import Records
from gateway.stores.tiered import TieredStore
from tests.stores.backends import AuthorityBackend


@dataclass(frozen=True)
class Gone:
    """The marker of an erasure."""


@dataclass
class DictFront:
    """``ports.Front``. ``down``: refuses; ``silent``: never answers; ``foreign``: another authority's.

    ``lasts``: how many trips it makes before it goes down; ``keeps_at``: what copies wait for on their way.
    """

    copies: dict[RecordId, Completed | tuple[Hint | Gone, datetime]] = field(default_factory=dict)
    incarnation: str | None = "the first"
    down: bool = False
    silent: bool = False
    foreign: bool = False
    lasts: int | None = None
    keeps_at: asyncio.Event | None = None
    trips: list[str] = field(default_factory=list)

    async def join(self, digester: Digester, *, accept_change: bool = False) -> None:
        await self._reached("join")
        if self.foreign:
            raise StoreUnfit("it is the front of another authority")

    async def recall(self, record_id: RecordId) -> Completed | Hint | None:
        await self._reached("recall")
        live = self._live(record_id)
        return None if isinstance(live, Gone) else live

    def _live(self, record_id: RecordId) -> Completed | Hint | Gone | None:
        now = datetime.now(UTC)
        match self.copies.get(record_id):
            case Completed() as copy if copy.replay_until > now:
                return copy
            case (Hint() | Gone() as other, until) if until > now:
                return other
            case _:
                return None

    async def keep(self, record: Completed) -> None:
        await self._reached("keep")
        if self.keeps_at is not None:
            await self.keeps_at.wait()
        if not isinstance(self._live(record.id), Gone):
            self.copies[record.id] = record

    async def hint(self, record_id: RecordId, hint: Hint, lifetime: timedelta) -> None:
        await self._reached("hint")
        if self._live(record_id) is None:
            self.copies[record_id] = (hint, datetime.now(UTC) + lifetime)

    async def drop(self, record_id: RecordId) -> None:
        await self._reached("drop")
        if not isinstance(self._live(record_id), Gone):
            self.copies.pop(record_id, None)

    async def drop_older(self, ids: Sequence[RecordId]) -> None:
        await self._reached("drop older")

    async def erase(self, record_id: RecordId, until: datetime) -> None:
        await self._reached("erase")
        self.copies[record_id] = (Gone(), until)

    async def ping(self) -> None:
        await self._reached("ping")

    async def close(self) -> None:
        self.copies.clear()

    async def _reached(self, trip: str) -> None:
        self.trips.append(trip)
        if self.silent:
            await asyncio.get_running_loop().create_future()
        if self.down or (self.lasts is not None and len(self.trips) > self.lasts):
            raise StoreUnavailable("the front is down")

    def age(self, record_id: RecordId, seconds: float) -> None:
        back = timedelta(seconds=seconds)
        match self.copies.get(record_id):
            case Completed() as copy:
                self.copies[record_id] = replace(copy, replay_until=copy.replay_until - back)
            case (other, until):
                self.copies[record_id] = (other, until - back)
            case None:
                pass


@dataclass
class Hands:
    """A clock that stands until it is moved, so that a breaker opens and closes without waiting."""

    now: float = field(default_factory=time.monotonic)

    def monotonic(self) -> float:
        return self.now


@dataclass
class Seen:
    """What was observed, in order."""

    observations: list[Observation] = field(default_factory=list)

    def observe(self, observation: Observation) -> None:
        self.observations.append(observation)


@dataclass
class TieredBackend:
    """A backend with a front. ``sever`` cuts both, because copies may answer when the authority cannot."""

    authority: AuthorityBackend
    front: DictFront = field(default_factory=DictFront)
    seen: Seen = field(default_factory=Seen)
    clock: Hands = field(default_factory=Hands)

    async def open(self) -> Records:
        front: Front = self.front
        store = TieredStore(await self.authority.open(), front, self.seen, self.clock)
        await store.digest_keys([None])
        return store

    def age(self, record_id: RecordId, seconds: float) -> None:
        self.authority.age(record_id, seconds)
        self.front.age(record_id, seconds)

    def sever(self) -> None:
        self.front.down = True
        self.authority.sever()
