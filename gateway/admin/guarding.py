"""Routes that ask at the door before anything of a request is read, its body least of all.

Knows which role a route needs, and tells the audit of whoever was turned away there. What a verb then comes to is the
desk's to tell.
"""

import re
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from gateway.admin.auth import Door, Who
from gateway.admin.problems import Problem, Refused
from gateway.config.configuration import Role
from gateway.ports import Observer
from gateway.protocol import observations as seen

_ID = re.compile("[0-9a-f]{64}")

# How much of an id tells a record from others, in log lines.
PREFIX = 12


def guarded(door: Door, observer: Observer, need: Role) -> type[APIRoute]:
    """The class of routes for whoever has ``need``; a verb is named by its function."""

    class Guarded(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            serve = super().get_route_handler()
            verb = self.name if need is Role.SETTLE else "read"

            async def handle(request: Request) -> Response:
                found = door.admit(request, need)
                if isinstance(found, Problem):
                    # Who may read and not settle is known by name.
                    known = door.admit(request, Role.READ)
                    name = known.name if isinstance(known, Who) else ""
                    observer.observe(seen.OperatorVerb(verb, found.name, name, _prefix(request)))
                    raise Refused(found)
                request.state.who = found
                try:
                    return await serve(request)
                except (RequestValidationError, HTTPException):
                    if need is Role.SETTLE:
                        observer.observe(seen.OperatorVerb(verb, "invalid", found.name, _prefix(request)))
                    raise

            return handle

    return Guarded


def _who(request: Request) -> Who:
    who: Who = request.state.who
    return who


Asker = Annotated[Who, Depends(_who)]


def _prefix(request: Request) -> str:
    """Nothing of a path that is no id: a caller may write there what it likes."""
    text = str(request.path_params.get("id", ""))
    return text[:PREFIX] if _ID.fullmatch(text) else ""
