"""A gateway's way to the simulated authority.

On it are the real group commit, its repetitions and deadlines, and a network that loses replies. Refuses to know what
the authority makes of an operation.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TypeVar

from gateway.errors import RecordUnreadable, StoreUnavailable
from gateway.ports import Erasure, Keeper, SweepCounts
from gateway.protocol.decisions import Decided, Decision
from gateway.protocol.dossier import GATEWAY, Dossier, Open, Page, Query
from gateway.protocol.fingerprint import Digester
from gateway.protocol.inquiries import Asked, Inquiry
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
from gateway.registry import Resealed
from gateway.stores.batching import GroupCommit, Outcome
from gateway.stores.following import Followers
from gateway.stores.watching import Watch, Watches
from tests.simulation.database import Database
from tests.simulation.deciding import at_once
from tests.simulation.loop import Place
from tests.simulation.wire import Wire

Result = TypeVar("Result")

# As the Postgres store has it: how long an operation is issued again, and when its caller hears of it at the latest.
DEADLINE = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Settle:
    """A settlement on its way into a batch."""

    grant: Grant
    settlement: Settlement


Operation = Claim | Settle
Answer = Verdict | Settled | Moved


class Line:
    """``ports.Authority`` as one gateway has it."""

    def __init__(self, database: Database, wire: Wire, gateway: int, place: Place) -> None:
        self._database = database
        self._wire = wire
        self._gateway = gateway
        self._place = place
        self.watches = Watches()
        self.followers = Followers()
        self._commits: GroupCommit[Operation, Answer] = GroupCommit(self._commit, deadline=DEADLINE, heard_by=DEADLINE)

    async def claim(self, claim: Claim) -> Verdict:
        """By group commit."""
        answer = await self._commits.submit(claim)
        assert not isinstance(answer, Settled | Moved)
        return answer

    async def settle(self, grant: Grant, settlement: Settlement) -> Settled | Moved:
        """By group commit."""
        answer = await self._commits.submit(Settle(grant, settlement))
        assert isinstance(answer, Settled | Moved)
        self.watches.tell(grant.id)
        return answer

    async def watch(self, record_id: RecordId) -> Watch:
        """Word comes over the network, or it does not."""
        return self.watches.watch(record_id)

    async def forget(
        self, record_id: RecordId, fence: int, by: str = GATEWAY, note: str = ""
    ) -> Forgotten | Moved | Busy:
        """By itself."""
        try:
            return await self._asked(lambda: self._database.forget(record_id, fence, by, note))
        finally:
            self.followers.forgotten(record_id)

    def follow(self, keeper: Keeper) -> None:
        """Told of its own at once; of others' as the network has it."""
        self.followers.follow(keeper)

    async def look(self, record_id: RecordId) -> Record | None:
        """By itself."""
        return await self._asked(lambda: self._database.current(record_id))

    async def decide(self, decision: Decision) -> Decided | Moved | Busy:
        """By itself."""
        answer = await self._asked(lambda: self._decided(decision))
        self.watches.tell(decision.id)
        return answer

    def _decided(self, decision: Decision) -> Decided | Moved | Busy:
        if self._wire.trouble("damage", self._gateway) and self._database.stored(decision.id) is not None:
            raise RecordUnreadable("the record is damaged")
        return self._database.register.decide(decision)

    async def due(self, routes: Collection[str], work: timedelta, limit: int) -> Sequence[Inquiry]:
        """By itself."""
        register = self._database.register
        return await self._asked(lambda: register.due(self._place, routes, work, limit))

    async def asked(self, inquiry: Inquiry, result: Asked) -> bool:
        """By itself."""
        return await self._asked(lambda: self._database.register.asked(self._place, inquiry, result))

    async def reseal(self, after: bytes | None, limit: int, *, dry: bool = False) -> Resealed:
        """Nothing lies sealed in this database."""
        del after, limit, dry
        return Resealed()

    async def dossier(self, record_id: RecordId) -> Dossier | None:
        """By itself."""
        return await self._asked(lambda: at_once(self._database.ledger.dossier(record_id)))

    async def page(self, query: Query) -> Page:
        """By itself."""
        return await self._asked(lambda: at_once(self._database.ledger.page(query)))

    async def open_calls(self) -> Sequence[Open]:
        """By itself."""
        return await self._asked(lambda: at_once(self._database.ledger.open_calls()))

    async def held(self, digests: Sequence[bytes]) -> int:
        """By itself."""
        return await self._asked(lambda: at_once(self._database.ledger.held(digests)))

    async def sweep(self, limit: int) -> SweepCounts:
        """By itself."""
        return await self._asked(lambda: self._database.sweep(limit))

    async def erasures(self, incarnation: str, after: Erasure | None, limit: int) -> Sequence[Erasure]:
        """Law E2."""
        return await self._asked(lambda: at_once(self._database.ledger.erasures(incarnation, after, limit)))

    async def erasure(self, record_id: RecordId) -> Erasure | None:
        """Law E2."""
        return await self._asked(lambda: at_once(self._database.ledger.erasure(record_id)))

    async def note_erased(self, erasures: Sequence[Erasure], incarnation: str) -> None:
        """Law E3."""
        await self._asked(lambda: at_once(self._database.ledger.note_erased(erasures, incarnation)))

    async def count(self) -> Mapping[str, int]:
        """By itself."""
        return await self._asked(lambda: at_once(self._database.ledger.count()))

    async def digest_keys(self, configured: Sequence[bytes | None], *, accept_change: bool = False) -> Digester:
        """One secret for all."""
        ledger = self._database.ledger
        return await self._asked(lambda: at_once(ledger.digest_keys(configured, accept_change=accept_change)))

    async def remember_key_space(self, namespace: str, settings: str, *, accept_change: bool) -> str | None:
        """One for all."""
        ledger = self._database.ledger
        return await self._asked(
            lambda: at_once(ledger.remember_key_space(namespace, settings, accept_change=accept_change))
        )

    async def ping(self) -> None:
        """Whether it answers."""
        await self._asked(lambda: None)

    async def close(self) -> None:
        """What has arrived is committed."""
        await self._commits.close()

    async def _asked(self, ask: Callable[[], Result]) -> Result:
        try:
            async with asyncio.timeout(DEADLINE.total_seconds()):
                return await self._wire.trip("authority", self._gateway, ask)
        except TimeoutError:
            raise StoreUnavailable("the database did not answer in time", unsure=True) from None

    def _commit(self, batch: Sequence[Operation], begun: Callable[[], None]) -> Awaitable[Sequence[Outcome[Answer]]]:
        def late() -> Callable[[], object]:
            arriving = [self._under_way(each) for each in batch]
            return lambda: [act() for act in arriving]

        return self._wire.trip("authority", self._gateway, lambda: [self._done(each) for each in batch], begun, late)

    def _under_way(self, operation: Operation) -> Callable[[], object]:
        if isinstance(operation, Claim):
            return self._database.claim_too_late(operation)
        return partial(self._database.settle, operation.grant, operation.settlement)

    def _done(self, operation: Operation) -> Outcome[Answer]:
        of = operation if isinstance(operation, Claim) else operation.grant
        if self._wire.trouble("damage", self._gateway) and self._database.stored(of.id) is not None:
            return RecordUnreadable("the record is damaged")
        if isinstance(operation, Claim):
            return self._database.claim(operation)
        return self._database.settle(operation.grant, operation.settlement)
