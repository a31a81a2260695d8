"""The seams for people and reconcilers: what is shown of records, decided on them, asked about them, and sealed anew.

Kept apart from ``ports.Store``, which is all that a call needs. Laws 12 and 13 are those of ``protocol.decisions``.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Protocol, Self

from gateway.ports import Holdings, Store
from gateway.protocol.decisions import Decided, Decision
from gateway.protocol.dossier import Dossier, Open, Page, Query
from gateway.protocol.inquiries import Asked, Inquiry
from gateway.protocol.model import Busy, Moved, RecordId


class Registry(Protocol):
    """What operators see of records, and their word on them.

    R1. ``decide`` is what ``protocol.decisions`` rules on the stored record, at the store's clock, in one atomic step,
        and is durable before it is heard. Repeated, it does no more than once. Who waits for the record has word.
    R2. ``dossier`` and ``page`` tell records as time has turned them, and never an answer's body, a header of it, or a
        value that was taken for an inquiry. A record whose answer does not open is shown, without its status.
    R3. Pages run newest first by creation, ids among equals; followed to the end they show every record that was there
        all the time exactly once. A page of an unfiltered list, or of one by state or key, costs what it shows,
        however many records there are. A page by route may be short, or empty, before the end, which only
        its ``next`` tells: a store looks at so many records for it, and no more.
    R4. A history has every grant, take-over, settlement, decision, forgetting and turn of time that the record has
        seen since it was last unknown to the store, in order, a hundred at most: the first ones and the last ones.
    """

    async def dossier(self, record_id: RecordId) -> Dossier | None: ...

    async def page(self, query: Query) -> Page: ...

    async def open_calls(self) -> Sequence[Open]:
        """In flight and unknown, by route; of very many, about so many. A lease that is over counts as unknown."""
        ...

    async def decide(self, decision: Decision) -> Decided | Moved | Busy: ...


class Inquiries(Protocol):
    """A reconciler's work, as durable as the records it is about.

    Q1. ``due`` takes unknown records of these routes whose claims left values and whose next asking has come, oldest
        asking first; of any number of workers one alone has a record, until ``work`` has passed since.
    Q2. ``asked`` notes what came of it and lets the record go, while that taking lasts; false, and nothing changed,
        once it is over or the record has been settled or decided.
    Q3. A record with values is first due when its outcome becomes unknown, its lease over included.
    Q4. Values lie sealed (``encryption.keys``), bound to record and fence. They are gone as soon as the record is no
        more in flight or unknown.
    """

    async def due(self, routes: Collection[str], work: timedelta, limit: int) -> Sequence[Inquiry]: ...

    async def asked(self, inquiry: Inquiry, result: Asked) -> bool: ...


@dataclass(frozen=True, slots=True)
class Resealed:
    """One step of a walk: how many records it looked at, and of their answers and values how many it sealed anew (or
    would have), how many were sealed by the first key before, and which do not open. ``next``: where the following
    step begins; ``None`` at the end. ``ids``: of those that hold answers or values."""

    looked_at: int = 0
    resealed: int = 0
    already: int = 0
    unread: tuple[RecordId, ...] = ()
    next: bytes | None = None
    ids: tuple[RecordId, ...] = field(default=(), repr=False)

    def with_next(self, step: Self) -> Self:
        """Both together, as one step."""
        return replace(
            step,
            looked_at=self.looked_at + step.looked_at,
            resealed=self.resealed + step.resealed,
            already=self.already + step.already,
            unread=(*self.unread, *step.unread),
            ids=(*self.ids, *step.ids),
        )


class Resealing(Protocol):
    """The rotation of ``encryption.keys`` brought to its end: a walk over every record, in steps.

    C1. A step seals answers and values anew, under the first key, that lie under another one or under none. Content,
        fence, deadlines and history are as they were: every verdict is the same before and after it (law 6).
    C2. It writes over just the bytes that it read; what was settled, granted, forgotten or sealed anew meanwhile is
        looked at again.
    C3. What does not open stays as it is, and is told by id. What time has turned, and nobody is told any more, is no
        concern of it.
    C4. Steps from the beginning to the end meet every record that was there all the time, whatever is written
        meanwhile; one may be met twice. A walk may be broken off, repeated, and made by several at once.
    C5. Copies elsewhere that lie under another key are dropped, where they can be reached: a copy that does not open is
        none.
    C6. ``dry``: it only looks how answers and values begin, and writes and opens nothing.

    ``StoreUnfit`` where no key is configured. A step looks at about ``limit`` records, and ends early behind those
    whose answers are large.
    """

    async def reseal(self, after: bytes | None, limit: int, *, dry: bool = False) -> Resealed:
        """The step from ``after``, the ``next`` of the one before; ``None``: the first."""
        ...


class Records(Store, Holdings, Registry, Inquiries, Resealing, Protocol):
    """A store as a gateway has it: for calls, for people, for reconcilers."""
