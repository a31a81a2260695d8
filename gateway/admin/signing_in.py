"""The page's session begins and ends: a form brings a token, and a cookie takes its place.

The cookie goes to this host alone, to no script, and with no request that another site caused. Knows nothing of what a
session may do.
"""

from urllib.parse import parse_qs, urlsplit

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from gateway.admin.auth import Door
from gateway.admin.problems import Problem, Refused
from gateway.admin.rendering import refusal
from gateway.admin.sessions import COOKIE, LASTS
from gateway.ports import Observer
from gateway.protocol import observations as seen

# A token and the name of its field; whoever asks is not known yet.
_LARGEST_FORM = 4 * 1024


def signing_in(door: Door, observer: Observer) -> APIRouter:
    """The routes; both lead to the page."""
    router = APIRouter(prefix="/session", include_in_schema=False)

    @router.post("", max_body_size=_LARGEST_FORM)
    async def begin(request: Request) -> Response:
        fields = parse_qs((await request.body()).decode("latin-1"), errors="replace")
        shown = fields.get("token", [])
        found = door.sign_in(request, shown[0] if len(shown) == 1 else "")
        if isinstance(found, Problem):
            observer.observe(seen.OperatorVerb("sign-in", found.name, "", ""))
            if "text/html" in request.headers.get("accept", ""):
                return refusal(found, request, None)
            raise Refused(found)
        name, ticket = found
        observer.observe(seen.OperatorVerb("sign-in", "done", name, ""))
        response = _to_the_page()
        response.set_cookie(
            COOKIE,
            ticket,
            max_age=int(LASTS.total_seconds()),
            secure=_https(request),
            httponly=True,
            samesite="strict",
        )
        return response

    @router.post("/end")
    async def end(request: Request) -> Response:
        response = _to_the_page()
        response.delete_cookie(COOKIE, secure=_https(request), httponly=True, samesite="strict")
        return response

    return router


def _to_the_page() -> RedirectResponse:
    return RedirectResponse("/", 303)


def _https(request: Request) -> bool:
    """Whether the browser speaks TLS with whatever stands in front: it says so in ``Origin``."""
    return urlsplit(request.headers.get("origin", "")).scheme == "https"
