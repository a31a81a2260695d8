"""Two stores as people and reconcilers see them: the authority alone shows and decides, and the front is told.

Knows that what a front holds of a record is out of date once somebody has decided on it. Refuses to show anything from
a front: a copy is no record.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Protocol

from gateway import ports
from gateway.ports import Front
from gateway.protocol.decisions import Decided, Decision
from gateway.protocol.dossier import Dossier, Open, Page, Query
from gateway.protocol.inquiries import Asked, Inquiry
from gateway.protocol.model import Busy, Moved, RecordId
from gateway.registry import Records, Resealed
from gateway.stores.approach import Approach


class Authority(ports.Authority, Records, Protocol):
    """A store that may have fronts, for calls, for people and for reconcilers."""


class TieredRegistry:
    """``registry.Registry``, ``registry.Inquiries`` and ``registry.Resealing``."""

    _authority: Authority
    _front: Front
    _way: Approach

    async def decide(self, decision: Decision) -> Decided | Moved | Busy:
        """Laws 12 and 13, the authority's; then no hint keeps a key busy that is free, or has its answer."""
        answer = await self._authority.decide(decision)
        if isinstance(answer, Decided):
            await self._way.reached(lambda: self._front.drop(decision.id))
        return answer

    async def dossier(self, record_id: RecordId) -> Dossier | None:
        """The authority's."""
        return await self._authority.dossier(record_id)

    async def page(self, query: Query) -> Page:
        """The authority's."""
        return await self._authority.page(query)

    async def open_calls(self) -> Sequence[Open]:
        """The authority's."""
        return await self._authority.open_calls()

    async def held(self, digests: Sequence[bytes]) -> int:
        """The authority's."""
        return await self._authority.held(digests)

    async def due(self, routes: Collection[str], work: timedelta, limit: int) -> Sequence[Inquiry]:
        """The authority's."""
        return await self._authority.due(routes, work, limit)

    async def asked(self, inquiry: Inquiry, result: Asked) -> bool:
        """The authority's."""
        return await self._authority.asked(inquiry, result)

    async def reseal(self, after: bytes | None, limit: int, *, dry: bool = False) -> Resealed:
        """Laws C1 to C6, the authority's; then the copies, which the next retry of each brings anew."""
        step = await self._authority.reseal(after, limit, dry=dry)
        if step.ids and not dry:
            await self._way.reached(lambda: self._front.drop_older(step.ids))
        return step
