"""Pages out of templates: what is shown of instants and ages, and what a browser may do with a page.

Knows jinja2, with everything escaped that is put into a page. Refuses to know what a page is about.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from gateway.admin.auth import Who
from gateway.admin.problems import Problem
from gateway.admin.sessions import COOKIE

_ROOM = Path(str(files("gateway.admin")))
STATIC = _ROOM / "static" / "page"

# Nothing from elsewhere, nothing inline, no frame around it, and forms lead back here.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"))


def age(duration: timedelta) -> str:
    """``12 s``, ``4 min``, ``3 h``, ``2 d``: the largest unit, rounded down."""
    seconds = max(0, int(duration.total_seconds()))
    return next((f"{seconds // size} {unit}" for size, unit in _UNITS if seconds >= size), f"{seconds} s")


def instant(at: datetime) -> str:
    """``2026-11-28 09:30:00 UTC``."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


_TEMPLATES = Environment(
    loader=FileSystemLoader(_ROOM / "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)
_TEMPLATES.filters.update(age=age, instant=instant)

# What a page may lack, and then shows nothing of.
_LACKING: Mapping[str, Any] = {"refusal": "", "said": "", "moved": False, "given": {}}


def text(name: str, **facts: Any) -> str:  # noqa: ANN401 - whatever a template shows
    """A template as text."""
    return _TEMPLATES.get_template(name).render({**_LACKING, "now": datetime.now(UTC), **facts})


def page(name: str, request: Request, who: Who | None, status: int = 200, **facts: Any) -> HTMLResponse:  # noqa: ANN401
    """A whole page, for ``who``."""
    signed_in = COOKIE in request.cookies
    told = {"who": who, "signed_in": signed_in, "here": request.url.path, "version": version("idempotency-gateway")}
    return sheet(text(name, **{**facts, **told}), status)


def sheet(content: str, status: int = 200) -> HTMLResponse:
    """HTML, with what a browser may do with it. Without any referrer, its forms would come from the origin ``null``."""
    return HTMLResponse(content, status, {"Content-Security-Policy": POLICY, "Referrer-Policy": "same-origin"})


def refusal(problem: Problem, request: Request, who: Who | None) -> HTMLResponse:
    """A problem as people read it; whoever may sign in is asked to."""
    if problem.status == 401:
        told = "" if COOKIE not in request.cookies and problem.title == "A token is needed" else problem.detail
        return page("sign_in.html", request, None, problem.status, refusal=told)
    return page("refusal.html", request, who, problem.status, title=problem.title, detail=problem.detail)
