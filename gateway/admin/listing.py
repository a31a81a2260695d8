"""What is read of the API: lists, single records, figures. Never a body.

Knows the opaque cursor: the moment of a record's creation and its id, so that a page begins where another ended however
many records have come since.
"""

import base64
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.routing import APIRoute

from gateway.admin import problems, shapes
from gateway.admin.desk import Desk
from gateway.admin.problems import Fault, Refused
from gateway.protocol.dossier import Cursor, Dossier
from gateway.protocol.dossier import Query as Wanted
from gateway.protocol.model import RecordId

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

Outcomes = Callable[[], Awaitable[Mapping[str, Mapping[str, int]]]]


def reading(desk: Desk, outcomes: Outcomes, route: type[APIRoute]) -> APIRouter:
    """The routes for whoever may read; ``outcomes`` are this gateway's, by route."""
    router = APIRouter(prefix="/api", route_class=route, tags=["records"])

    def alone(dossier: Dossier) -> shapes.Record:
        return shapes.with_history(dossier, desk.listening_until(dossier.entry))

    @router.get("/keys", operation_id="listKeys", summary="List records, newest first")
    async def keys(wanted: Annotated[shapes.Filter, Query()]) -> shapes.Page:
        """Records by state, route, age or key, in pages: give `next` as `cursor` for the following one."""
        page = await desk.page(_query(wanted), wanted.key)
        if wanted.key is None:
            entries = [shapes.record(each) for each in page.entries]
        else:
            found = [await desk.dossier(each.id) for each in page.entries]
            entries = [alone(each) for each in found if each is not None]
        return shapes.Page(keys=entries, next=written(page.next) if page.next else None)

    @router.get("/keys/{id}", operation_id="getKey", summary="One record with its history")
    async def one(id: shapes.Id) -> shapes.Record:  # noqa: A002 - the path's own name
        """What a record is, and everything that happened to it: who, when, under which fence."""
        found = await desk.dossier(shapes.record_id(id))
        if found is None:
            raise Refused(problems.no_record())
        return alone(found)

    @router.get("/stats", operation_id="getStats", summary="How things stand")
    async def figures() -> shapes.Stats:
        """Records by state and open calls by route, from the store; outcomes by route, from this gateway."""
        return shapes.stats(await desk.counts(), await desk.open_calls(), await outcomes())

    return router


def _query(wanted: shapes.Filter) -> Wanted:
    return Wanted(
        state=wanted.state,
        route=wanted.route,
        created_after=wanted.created_after,
        after=read(wanted.cursor) if wanted.cursor is not None else None,
        limit=wanted.limit,
    )


def written(cursor: Cursor) -> str:
    """A place in the list as text: 8 bytes of microseconds since 1970, 32 of the id."""
    moment = (cursor.created_at - _EPOCH) // _MICROSECOND
    return base64.urlsafe_b64encode(moment.to_bytes(8, "big") + cursor.id.digest).decode().rstrip("=")


def read(text: str) -> Cursor:
    """The place that a page's ``next`` names."""
    try:
        data = base64.b64decode(text + "==", altchars=b"-_", validate=True)
        moment = _EPOCH + int.from_bytes(data[:8], "big") * _MICROSECOND
    except (ValueError, OverflowError):
        fault = Fault(where="query.cursor", sentence="is none that this API gave; leave it out for the first page")
        raise Refused(problems.invalid([fault])) from None
    return Cursor(moment, RecordId(data[8:]))
