"""A rotation of ``encryption.keys`` brought to its end: the walk over every record, a stretch for each request.

Knows how long one request may walk, and how what it came to is told and audited. Refuses to know keys, and how a record
is sealed (``registry.Resealing``).
"""

import asyncio
from dataclasses import dataclass

from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field

from gateway.admin import problems, shapes
from gateway.admin.guarding import Asker
from gateway.admin.problems import Refused
from gateway.errors import StoreUnavailable, StoreUnfit
from gateway.ports import Observer
from gateway.protocol import observations as seen
from gateway.registry import Resealed, Resealing

# Records looked at in one step: the store, and this process, are others' again after a few milliseconds.
STEP = 100

# In seconds and records: what one request walks at most. It ends with the step that reaches either.
LONGEST, MOST = 5.0, 10_000

# So many are named in one answer; the number tells of all.
NAMED = 100

# In bytes, of a place in the walk.
_LONGEST_PLACE = 32


class Wanted(shapes.Taken):
    """How to walk, and from where."""

    cursor: str | None = Field(
        default=None,
        description="`next` of the stretch before; left out for the first.",
        json_schema_extra={"pattern": "^([0-9a-f]{2}){1,32}$"},
    )
    dry_run: bool = Field(default=False, strict=True, description="Only count what would be sealed anew.")


class ResealedDocument(BaseModel):
    """What a stretch of the walk came to. Sum up those from the first to the one whose `next` is null."""

    model_config = {"title": "Resealed"}

    looked_at: int = Field(description="Records that were looked at.", examples=[10000])
    resealed: int = Field(description="Answers and values sealed anew; with `dry_run`, those that would be.")
    already: int = Field(description="Those that were sealed by the first key before.")
    unreadable: int = Field(description="Those that no key opens. They stay as they are.", examples=[0])
    unreadable_ids: list[shapes.Id] = Field(description=f"Their records' ids, the first {NAMED}.")
    next: str | None = Field(description="`cursor` of the following stretch; null at the end.")


@dataclass(slots=True)
class Walk:
    """A stretch of the walk, a step at a time; a fault of the store ends it where it stands, and nothing is lost."""

    records: Resealing
    observer: Observer

    async def stretch(self, after: bytes | None, by: str, *, dry: bool) -> Resealed:
        """Audited. ``StoreUnfit`` where no key is configured."""
        outcome = "failed"
        try:
            told = await self._stretch(after, dry=dry)
            outcome = "done"
        except StoreUnfit:
            outcome = "keyless"
            raise
        except StoreUnavailable as fault:
            outcome = "unsure" if fault.unsure else "unavailable"
            raise
        finally:
            self.observer.observe(seen.OperatorVerb("dry-reseal" if dry else "reseal", outcome, by, ""))
        return told

    async def _stretch(self, after: bytes | None, *, dry: bool) -> Resealed:
        loop = asyncio.get_running_loop()
        until = loop.time() + LONGEST
        told = Resealed(next=after)
        while True:
            step = await self.records.reseal(told.next, STEP, dry=dry)
            told = told.with_next(step)
            if step.next is None or told.looked_at >= MOST or loop.time() >= until:
                return told


def resealing(walk: Walk, route: type[APIRoute]) -> APIRouter:
    """The route for whoever may settle; audited by ``walk``."""
    router = APIRouter(prefix="/api", route_class=route, tags=["verbs"])

    @router.post("/reseal", operation_id="resealRecords", summary="Seal anew by the first key")
    async def reseal(wanted: Wanted, who: Asker) -> ResealedDocument:
        """Seals every kept answer, and every value kept for a reconciler, by the first of `encryption.keys`: what is
        sealed by another one, or not at all. What a record says does not change. Ask again with `next` as `cursor`
        until it is null; then no record needs another key. May be repeated, and run beside calls."""
        try:
            told = await walk.stretch(_place(wanted.cursor), who.name, dry=wanted.dry_run)
        except StoreUnfit as fault:
            raise Refused(problems.no_record_key(str(fault))) from fault
        return ResealedDocument(
            looked_at=told.looked_at,
            resealed=told.resealed,
            already=told.already,
            unreadable=len(told.unread),
            unreadable_ids=[str(each) for each in told.unread[:NAMED]],
            next=None if told.next is None else told.next.hex(),
        )

    return router


def _place(cursor: str | None) -> bytes | None:
    try:
        place = None if cursor is None else bytes.fromhex(cursor)
    except ValueError:
        place = b""
    if place is not None and not 0 < len(place) <= _LONGEST_PLACE:
        fault = problems.Fault(where="body.cursor", sentence="is none that this API gave; leave it out for the first")
        raise Refused(problems.invalid([fault]))
    return place
