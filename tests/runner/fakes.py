"""Ports that behave: a store that can stall or be gone, an upstream that answers when told, a clock that can jump."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from gateway.errors import StoreUnavailable
from gateway.policies.policy import Policy
from gateway.policies.routing import Match, Route, Target, Timeouts
from gateway.ports import Answer, Keeper, Outgoing, SweepCounts, Watch
from gateway.protocol.dossier import GATEWAY
from gateway.protocol.exchange import Call
from gateway.protocol.fingerprint import Digester
from gateway.protocol.headers import Headers
from gateway.protocol.model import (
    Busy,
    Claim,
    Forgotten,
    Grant,
    Moved,
    Record,
    RecordId,
    Settled,
    Settlement,
    Verdict,
)
from gateway.protocol.observations import Observation
from gateway.runner.exchanges import Errand, Exchanges, Ports
from gateway.stores.memory import MemoryStore
from tests.protocol.samples import claim


class FaultyStore:
    """The reference store behind a line that can be cut or slow, for claims and for settlements apart."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.claims = 0
        self._awaited: defaultdict[int, list[asyncio.Event]] = defaultdict(list)
        self.claims_fail = False
        # They are done, and nobody hears of it.
        self.claims_unheard = False
        self.settlements_fail = False
        self.claiming = asyncio.Event()
        self.claiming.set()
        self.settlement_failed = asyncio.Event()
        self.settling = asyncio.Event()
        self.settling.set()

    async def until_claimed(self, times: int) -> None:
        """Returns when as many claims have arrived since the beginning."""
        event = asyncio.Event()
        if self.claims < times:
            self._awaited[times].append(event)
            await event.wait()

    async def claim(self, claim: Claim) -> Verdict:
        self.claims += 1
        for event in self._awaited.pop(self.claims, ()):
            event.set()
        await self.claiming.wait()
        if self.claims_fail:
            raise StoreUnavailable("gone")
        verdict = await self._store.claim(claim)
        if self.claims_unheard:
            raise StoreUnavailable("silent", unsure=True)
        return verdict

    async def settle(self, grant: Grant, settlement: Settlement) -> Settled | Moved:
        await self.settling.wait()
        if self.settlements_fail:
            self.settlement_failed.set()
            raise StoreUnavailable("gone")
        return await self._store.settle(grant, settlement)

    async def watch(self, record_id: RecordId) -> Watch:
        return await self._store.watch(record_id)

    async def forget(
        self, record_id: RecordId, fence: int, by: str = GATEWAY, note: str = ""
    ) -> Forgotten | Moved | Busy:
        return await self._store.forget(record_id, fence, by, note)

    def follow(self, keeper: Keeper) -> None:
        self._store.follow(keeper)

    async def look(self, record_id: RecordId) -> Record | None:
        return await self._store.look(record_id)

    async def sweep(self, limit: int) -> SweepCounts:
        return await self._store.sweep(limit)

    async def count(self) -> Mapping[str, int]:
        return await self._store.count()

    async def digest_keys(self, configured: Sequence[bytes | None], *, accept_change: bool = False) -> Digester:
        return await self._store.digest_keys(configured, accept_change=accept_change)

    async def remember_key_space(self, namespace: str, settings: str, *, accept_change: bool) -> str | None:
        return await self._store.remember_key_space(namespace, settings, accept_change=accept_change)

    async def ping(self) -> None:
        await self._store.ping()

    async def close(self) -> None:
        await self._store.close()


@dataclass
class ToldAnswer:
    """An answer with its body at hand."""

    status: int = 201
    body: bytes = b"ok"
    headers: Headers = ()
    length_unverified: bool = False
    read: bool = False

    @property
    def length(self) -> int:
        return len(self.body)

    def at_hand(self) -> bytes | None:
        return None

    async def whole(self, limit: int) -> bytes | None:
        return self.body if len(self.body) <= limit else None

    async def stream(self) -> AsyncIterator[bytes]:
        self.read = True
        yield self.body

    def close(self) -> None:
        self.read = True


@dataclass
class ToldUpstream:
    """An upstream whose every call ends as told: an answer, or a fault. ``sent`` counts the calls; ``connecting`` never
    gets as far as the first byte."""

    outcome: asyncio.Future[Answer]
    sent: list[Outgoing] = field(default_factory=list)
    dispatch_by: list[float | None] = field(default_factory=list)
    called: asyncio.Event = field(default_factory=asyncio.Event)
    called_again: asyncio.Event = field(default_factory=asyncio.Event)
    connecting: bool = False

    async def send(
        self,
        target: Target,
        request: Outgoing,
        *,
        dispatch_by: float | None = None,
        on_dispatch: Callable[[], None] | None = None,
    ) -> Answer:
        self.dispatch_by.append(dispatch_by)
        if self.connecting:
            await asyncio.Event().wait()
        if on_dispatch is not None:
            on_dispatch()
        self.sent.append(request)
        self.called.set()
        if len(self.sent) == 2:
            self.called_again.set()
        return await asyncio.shield(self.outcome)

    async def close(self) -> None:
        """Nothing to close."""


class JumpingClock:
    """Monotonic seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Seen:
    """Remembers every observation."""

    def __init__(self) -> None:
        self.all: list[Observation] = []
        self._happened: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def observe(self, observation: Observation) -> None:
        self.all.append(observation)
        self._happened[type(observation).__name__].set()

    async def until(self, kind: str) -> None:
        await self._happened[kind].wait()

    def kinds(self) -> list[str]:
        return [type(observation).__name__ for observation in self.all]


@dataclass
class World:
    """Everything an exchange touches."""

    store: FaultyStore
    upstream: ToldUpstream
    clock: JumpingClock
    seen: Seen
    exchanges: Exchanges

    @classmethod
    async def begin(cls) -> "World":
        memory = await MemoryStore.open()
        await memory.digest_keys([None])
        store, clock, seen = FaultyStore(memory), JumpingClock(), Seen()
        upstream = ToldUpstream(asyncio.get_running_loop().create_future())
        return cls(store, upstream, clock, seen, Exchanges(Ports(store, upstream, seen, clock)))


def errand(timeouts: Timeouts | None = None, policy: Policy | None = None, owner: bytes = b"q" * 16) -> Errand:
    target = Target("http", "127.0.0.1", 1, timeouts=timeouts or Timeouts())
    chosen = policy or Policy(namespace="n")
    route = Route("api", Match(), target, chosen)
    asked = replace(claim(owner=owner), lease=timedelta(seconds=100))
    return Errand(Call("urn:test", chosen.terms), asked, route, lambda _: Outgoing("POST", b"/", ()))
