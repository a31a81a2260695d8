"""The SQL store as people and reconcilers see it: each of their questions and words goes by itself.

Knows which of them only read. Refuses to know statements, and claims.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta
from functools import partial

from gateway.errors import StoreUnavailable
from gateway.protocol.decisions import Decided, Decision
from gateway.protocol.dossier import Dossier, Open, Page, Query
from gateway.protocol.inquiries import Asked, Inquiry
from gateway.protocol.model import Busy, Moved, RecordId
from gateway.registry import Resealed
from gateway.stores.codec import NOTHING_TO_SEAL_WITH, Codec
from gateway.stores.sql import asking, counting, deciding, paging, resealing, showing
from gateway.stores.sql.database import Database
from gateway.stores.watching import Watches


class SqlRegistry:
    """``registry.Registry``, ``Inquiries`` and ``Resealing``, and ``ports.Holdings``, in SQL tables."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._codec: Codec | None = None
        self._watches = Watches()

    async def dossier(self, record_id: RecordId) -> Dossier | None:
        """Law R2."""
        return await self._database.read(partial(showing.dossier, codec=self._opened(), record_id=record_id))

    async def page(self, query: Query) -> Page:
        """Law R3; a page of a route may be short, and goes on where it says."""
        return await self._database.read(partial(paging.page, query=query))

    async def open_calls(self) -> Sequence[Open]:
        """In flight and unknown, by route."""
        return await self._database.read(counting.open_calls)

    async def held(self, digests: Sequence[bytes]) -> int:
        """Law H1."""
        return await self._database.read(partial(counting.held, digests=digests))

    async def decide(self, decision: Decision) -> Decided | Moved | Busy:
        """Law R1; an operator's word is rare, and goes by itself."""
        deciding_it = partial(deciding.decide, codec=self._opened(), decision=decision)
        answer = await self._database.write(deciding_it)
        self._watches.tell(decision.id)
        return answer

    async def due(self, routes: Collection[str], work: timedelta, limit: int) -> Sequence[Inquiry]:
        """Laws Q1 and Q3."""
        taking = partial(asking.due, codec=self._opened(), routes=routes, work=work, limit=limit)
        return await self._database.write(taking)

    async def asked(self, inquiry: Inquiry, result: Asked) -> bool:
        """Law Q2."""
        return await self._database.write(partial(asking.asked, inquiry=inquiry, result=result))

    async def reseal(self, after: bytes | None, limit: int, *, dry: bool = False) -> Resealed:
        """Laws C1 to C5; each step commits by itself, so that claims get in between."""
        codec = self._opened()
        codec.demand_sealer(NOTHING_TO_SEAL_WITH)
        step = partial(resealing.step, codec=codec, after=after, limit=limit, dry=dry)
        return await (self._database.read(step) if dry else self._database.write(step))

    def _opened(self) -> Codec:
        if self._codec is None:
            raise StoreUnavailable("the store was not asked for its digest key yet, without which no record opens")
        return self._codec
