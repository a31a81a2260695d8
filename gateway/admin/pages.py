"""The operator's page: how things stand, live; records found and shown; an operator's word taken.

Server-rendered; htmx asks every two seconds for the part that changes, and gets nothing where nothing did. Knows paths,
forms and what is said afterwards. The desk decides and audits, the door admits, ``rendering`` makes pages.
"""

import hashlib
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, RedirectResponse
from fastapi.routing import APIRoute

from gateway.admin import forms, problems, shapes
from gateway.admin.answers import GivenAnswer, Word
from gateway.admin.auth import Door, Who
from gateway.admin.deciding import refusal_of
from gateway.admin.desk import LONGEST_KEY, Desk
from gateway.admin.guarding import PREFIX, Asker, guarded
from gateway.admin.listing import Outcomes, read, written
from gateway.admin.outcomes import Erased, Held, Outcome
from gateway.admin.overview import COLUMNS, Overview, overview
from gateway.admin.problems import Problem, Refused
from gateway.admin.rendering import STATIC, page, refusal, sheet, text
from gateway.config.configuration import Role
from gateway.errors import RecordUnreadable, StoreUnavailable
from gateway.ports import Observer
from gateway.protocol import observations as seen
from gateway.protocol.dossier import Dossier, Query, State

_FILES = {"htmx.min.js": "text/javascript", "page.css": "text/css", "icon.svg": "image/svg+xml"}

_BECOMES = {
    State.IN_FLIGHT: "its lease; unknown after that",
    State.UNKNOWN: "a tombstone after that",
    State.COMPLETED: "its answer is replayed until then",
    State.RELEASED: "its fence is forgotten then",
    State.EXPIRED: "the key is forgotten then",
}

Given = TypeVar("Given", bound=Word)
Act: TypeAlias = Callable[[Given], Awaitable[Outcome]]


@dataclass(frozen=True, slots=True)
class _At:
    """A word on a record, by somebody."""

    record: str
    request: Request
    who: Who


# What was done, by the word in the address that a verb leads to.
_SAID = {
    "release": "Released. The next call with this key is sent.",
    "resolve": "Resolved. Every later call with this key gets that answer.",
    "forget": "Forgotten. No answer is left, here or in any copy.",
    "forget-later": "Forgotten here. A copy in front is yet to go, as soon as whatever holds it can be reached.",
}


def pages(desk: Desk, outcomes: Outcomes, door: Door, observer: Observer) -> APIRouter:
    """The routes of the page; ``outcomes`` are this gateway's."""
    router = APIRouter(include_in_schema=False)
    router.include_router(_shown(desk, outcomes, _told(guarded(door, observer, Role.READ), observer)))
    router.include_router(_said(desk, observer, _told(guarded(door, observer, Role.SETTLE), observer)))

    @router.get("/static/{name}")
    async def part(name: str) -> Response:
        if name not in _FILES:
            raise Refused(problems.not_found())
        return FileResponse(STATIC / name, media_type=_FILES[name], headers={"Cache-Control": "max-age=3600"})

    return router


def _told(route: type[APIRoute], observer: Observer) -> type[APIRoute]:
    """Routes whose refusals are pages."""

    class Told(route):  # type: ignore[valid-type, misc]  # a class that was made for one role
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            serve: Callable[[Request], Coroutine[Any, Any, Response]] = super().get_route_handler()

            async def handle(request: Request) -> Response:
                try:
                    return await serve(request)
                except Refused as refused:
                    found = refused.problem
                except StoreUnavailable as fault:
                    observer.observe(seen.StoreFault("admin", str(fault)))
                    found = problems.store_unavailable(unsure=fault.unsure)
                except RecordUnreadable as fault:
                    observer.observe(seen.StoreFault("open", str(fault)))
                    found = problems.record_unreadable()
                return refusal(found, request, getattr(request.state, "who", None))

            return handle

    return Told


def _shown(desk: Desk, outcomes: Outcomes, route: type[APIRoute]) -> APIRouter:
    router = APIRouter(route_class=route)

    @router.get("/")
    async def now(request: Request, who: Asker) -> Response:
        facts = _facts(await overview(desk, outcomes))
        return page("now.html", request, who, **facts, seen=_digest("live.html", facts), changed=False)

    @router.get("/live")
    async def live(request: Request) -> Response:
        facts = _facts(await overview(desk, outcomes))
        changed = request.query_params.get("unknown") != str(facts["unknown"])
        return _unless_seen(request, "live.html", facts, changed=changed)

    @router.get("/keys")
    async def keys(request: Request, who: Asker) -> Response:
        asked = {name: value for name, value in request.query_params.items() if value}
        key = asked.get("key")
        query, wrong = _query(asked)
        found = await desk.page(query, key)
        if key and len(found.entries) == 1:
            return RedirectResponse(f"/keys/{found.entries[0].id}", 303)
        following = urlencode({**asked, "cursor": written(found.next)}) if found.next else ""
        return page(
            "keys.html",
            request,
            who,
            422 if wrong else 200,
            refusal=wrong,
            entries=found.entries,
            by_key=bool(key),
            state=query.state or "",
            route=query.route or "",
            states=list(State),
            routes=[route.name for route in desk.routes.routes],
            next=following,
        )

    @router.get("/keys/{id}")
    async def record(id: shapes.Id, request: Request, who: Asker) -> Response:  # noqa: A002 - the path's own name
        said = _SAID.get(request.query_params.get("done", ""), "")
        return page("record.html", request, who, **await _record(desk, id), said=said)

    @router.get("/keys/{id}/live")
    async def record_live(id: shapes.Id, request: Request, who: Asker) -> Response:  # noqa: A002
        facts = await _record(desk, id)
        entry = facts["entry"]
        opened = (request.query_params.get("fence"), request.query_params.get("state"))
        moved = opened != (str(entry.fence), str(entry.state))
        answer = _unless_seen(request, "facts.html", facts, moved=moved)
        if answer.status_code == 204 or not moved:
            return answer
        return sheet(bytes(answer.body).decode() + text("verbs.html", **facts, who=who, moved=True))

    return router


def _said(desk: Desk, observer: Observer, route: type[APIRoute]) -> APIRouter:
    router = APIRouter(prefix="/keys/{id}", route_class=route)

    async def take(
        verb: str, at: _At, read_form: Callable[[Mapping[str, str]], Given | Problem], act: Act[Given]
    ) -> Response:
        fields = forms.fields_of(await at.request.body())
        given = read_form(fields)
        if isinstance(given, Problem):
            observer.observe(seen.OperatorVerb(verb, "invalid", at.who.name, at.record[:PREFIX]))
            return await _again(desk, at, fields, given)
        outcome = await act(given)
        if not isinstance(outcome, Held | Erased):
            return await _again(desk, at, fields, refusal_of(outcome))
        later = "-later" if isinstance(outcome, Erased) and not outcome.copies_gone else ""
        return RedirectResponse(f"/keys/{at.record}?done={verb}{later}", 303)

    @router.post("/release")
    async def release(id: shapes.Id, request: Request, who: Asker) -> Response:  # noqa: A002 - the path's own name
        async def act(word: Word) -> Outcome:
            return await desk.release(shapes.record_id(id), word, who.name)

        return await take("release", _At(id, request, who), forms.word, act)

    @router.post("/resolve")
    async def resolve(id: shapes.Id, request: Request, who: Asker) -> Response:  # noqa: A002
        async def act(given: GivenAnswer) -> Outcome:
            return await desk.resolve(shapes.record_id(id), given, who.name)

        return await take("resolve", _At(id, request, who), forms.answer, act)

    @router.post("/forget")
    async def forget(id: shapes.Id, request: Request, who: Asker) -> Response:  # noqa: A002
        async def act(word: Word) -> Outcome:
            return await desk.forget(shapes.record_id(id), word, who.name)

        return await take("forget", _At(id, request, who), forms.word, act)

    return router


async def _again(desk: Desk, at: _At, fields: Mapping[str, str], problem: Problem) -> Response:
    """The record once more, with what was refused, and everything as it was filled in."""
    facts = await _record(desk, at.record)
    told = problem.detail.replace("body.", "")
    return page("record.html", at.request, at.who, problem.status, **facts, refusal=told, given=fields)


async def _record(desk: Desk, record: str) -> dict[str, Any]:
    found = await desk.dossier(shapes.record_id(record))
    if found is None:
        raise Refused(problems.no_record())
    facts = {**_of(found), "listening": desk.listening_until(found.entry)}
    return {**facts, "seen": _digest("facts.html", facts)}


def _of(found: Dossier) -> dict[str, Any]:
    return {
        "entry": found.entry,
        "history": found.history,
        "answered": found.status,
        "size": found.size,
        "becomes": _BECOMES[found.entry.state],
    }


def _facts(found: Overview) -> dict[str, Any]:
    names = ("states", "rows", "unknown_entries", "flying", "unknown", "in_flight")
    return {**{name: getattr(found, name) for name in names}, "columns": [name.replace("-", " ") for name in COLUMNS]}


def _query(asked: dict[str, str]) -> tuple[Query, str]:
    """What is asked for, and what is wrong with it: a filter that cannot be meant selects nothing."""
    try:
        state = State(asked["state"]) if "state" in asked else None
        after = read(asked["cursor"]) if "cursor" in asked else None
    except (ValueError, Refused):
        return Query(), "The address names no state or page that there is; all records are shown."
    if len(asked.get("key", "")) > LONGEST_KEY:
        return Query(limit=1), f"A key has at most {LONGEST_KEY} characters."
    return Query(state=state, route=asked.get("route"), after=after), ""


def _digest(name: str, facts: dict[str, Any]) -> str:
    """Of what would be shown."""
    shown = text(name, **{**facts, "seen": "", "changed": False, "moved": False})
    return hashlib.sha256(shown.encode()).hexdigest()[:16]


def _unless_seen(request: Request, name: str, facts: dict[str, Any], **more: bool) -> Response:
    """The part, or nothing where the browser shows it already."""
    current = _digest(name, facts)
    if request.query_params.get("seen") == current:
        return Response(status_code=204)
    return sheet(text(name, **{**facts, **more, "seen": current}))
