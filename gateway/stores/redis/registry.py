"""The Redis store as people and reconcilers see it: ``registry.Registry``, ``Inquiries`` and ``Resealing``.

Knows which part answers what, and that each trip is asked as patiently as a call's. Refuses to know claims and
settlements.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import timedelta
from typing import TypeVar

from gateway.protocol.decisions import Decided, Decision
from gateway.protocol.dossier import Dossier, Open, Page, Query
from gateway.protocol.inquiries import Asked, Inquiry
from gateway.protocol.model import Busy, Moved, RecordId
from gateway.registry import Resealed
from gateway.stores.codec import NOTHING_TO_SEAL_WITH, Codec
from gateway.stores.redis import asking, deciding, listing, resealing, scripts
from gateway.stores.redis.layout import HELD, instant, key_of
from gateway.stores.redis.line import Lines
from gateway.stores.redis.showing import dossier_of
from gateway.stores.redis.trips import Reply, Word, run
from gateway.stores.watching import Watches

Result = TypeVar("Result")


class RedisRegistry(ABC):
    """What the store is asked for beside calls."""

    _lines: Lines
    _watches: Watches

    async def decide(self, decision: Decision) -> Decided | Moved | Busy:
        """Laws 12 and 13; two trips."""
        answer = await self._patiently(lambda: deciding.decide(self._lines.ask, self._opened(), decision))
        self._watches.tell(decision.id)
        return answer

    async def dossier(self, record_id: RecordId) -> Dossier | None:
        """Law R2; one trip."""
        now, text = await run(self._ask_patiently, scripts.LOOK, key_of(record_id))
        return None if text is None else dossier_of(record_id, text, instant(now), self._opened())

    async def page(self, query: Query) -> Page:
        """Law R3."""
        return await listing.page(self._ask_patiently, query)

    async def open_calls(self) -> Sequence[Open]:
        """In flight and unknown, by route."""
        return await listing.open_calls(self._ask_patiently)

    async def held(self, digests: Sequence[bytes]) -> int:
        """Law H1; a trip for each digest, of which there is one."""
        return sum([await self._ask_patiently("ZCARD", HELD + each) for each in digests])

    async def due(self, routes: Collection[str], work: timedelta, limit: int) -> Sequence[Inquiry]:
        """Laws Q1 and Q3; one trip. A reply that is lost leaves what it took to the next taking."""
        return await self._patiently(lambda: asking.due(self._lines.ask, self._opened(), routes, work, limit))

    async def asked(self, inquiry: Inquiry, result: Asked) -> bool:
        """Law Q2; one trip."""
        return await self._patiently(lambda: asking.asked(self._lines.ask, inquiry, result))

    async def reseal(self, after: bytes | None, limit: int, *, dry: bool = False) -> Resealed:
        """Laws C1 to C5."""
        codec = self._opened()
        codec.demand_sealer(NOTHING_TO_SEAL_WITH)
        return await resealing.step(self._ask_patiently, codec, after, limit, dry=dry)

    async def _ask_patiently(self, *words: Word) -> Reply:
        """One trip, in its own time: what takes several of them may take longer than one."""
        return await self._patiently(lambda: self._lines.ask(*words))

    @abstractmethod
    async def _patiently(self, attempt: Callable[[], Awaitable[Result]]) -> Result:
        """The result of the first attempt that got a reply."""

    @abstractmethod
    def _opened(self) -> Codec:
        """What opens answers and values."""
