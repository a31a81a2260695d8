"""The operator's listener, put together: what always answers, the API, and how everything else is refused.

Knows which routes ask for which role. Refuses to know what any of them does.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from gateway.admin import problems, wording
from gateway.admin.auth import Door
from gateway.admin.deciding import deciding
from gateway.admin.desk import Desk
from gateway.admin.docs import describe, docs
from gateway.admin.guarding import guarded
from gateway.admin.health import Exposition, Readiness, health
from gateway.admin.listing import Outcomes, reading
from gateway.admin.outermost import Outermost
from gateway.admin.pages import pages
from gateway.admin.problems import Problem, Refused
from gateway.admin.resealing import Walk, resealing
from gateway.admin.signing_in import signing_in
from gateway.config.configuration import Role
from gateway.errors import RecordUnreadable, StoreUnavailable
from gateway.policies.routing import Route
from gateway.ports import Observer
from gateway.protocol import observations as seen

# A body is JSON text: twice the largest answer that a route keeps, for base64 and escapes, and what stands around it.
_ROUND_IT = 64 * 1024


@dataclass(frozen=True, slots=True)
class Figures:
    """This gateway's counters, of all its processes: ``outcomes`` are calls answered, by route."""

    metrics: Exposition
    outcomes: Outcomes


def admin_app(
    desk: Desk,
    door: Door,
    readiness: Readiness,
    figures: Figures,
    observer: Observer,
    problem_base: str,
) -> Outermost:
    """The application of the admin listener."""
    largest = largest_body(desk.routes.routes)
    app = FastAPI(
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        # It would lead to whatever Host says, before anybody is asked who they are.
        redirect_slashes=False,
        max_body_size=largest,
        # The framework's spans would hold queries, and a query here may hold a key.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.include_router(health(readiness, figures.metrics))
    readers = guarded(door, observer, Role.READ)
    app.include_router(reading(desk, figures.outcomes, readers))
    settlers = guarded(door, observer, Role.SETTLE)
    app.include_router(deciding(desk, settlers))
    app.include_router(resealing(Walk(desk.records, observer), settlers))
    app.include_router(signing_in(door, observer))
    app.include_router(docs(app, readers))
    app.include_router(pages(desk, figures.outcomes, door, observer))
    document = describe(app)
    app.openapi = lambda: document  # type: ignore[method-assign]  # as FastAPI's documentation extends it
    _refuse(app, observer, problem_base)
    return Outermost(app, largest, problem_base)


def largest_body(routes: Sequence[Route]) -> int:
    """How many bytes a request may have."""
    return 2 * max(route.policy.max_response_body for route in routes) + _ROUND_IT


def _refuse(app: FastAPI, observer: Observer, base: str) -> None:
    """Every way in which a request can fail, as a problem."""

    def handle(fault: type[Exception], judge: Callable[[Request, Exception], Problem]) -> None:
        async def answer(request: Request, found: Exception) -> Response:
            return judge(request, found).answer(base)

        app.add_exception_handler(fault, answer)

    def unavailable(request: Request, fault: Exception) -> Problem:
        observer.observe(seen.StoreFault("admin", str(fault)))
        return problems.store_unavailable(unsure=isinstance(fault, StoreUnavailable) and fault.unsure)

    def unreadable(request: Request, fault: Exception) -> Problem:
        observer.observe(seen.StoreFault("open", str(fault)))
        return problems.record_unreadable()

    def failed(request: Request, fault: Exception) -> Problem:
        observer.observe(seen.InternalFault("", fault))
        return problems.internal()

    handle(Refused, lambda _, found: found.problem if isinstance(found, Refused) else problems.internal())
    handle(RequestValidationError, lambda _, found: wording.told(_findings(found)))
    handle(HTTPException, lambda _, found: _of_the_framework(found))
    handle(StoreUnavailable, unavailable)
    handle(RecordUnreadable, unreadable)
    handle(Exception, failed)


def _findings(found: Exception) -> Sequence[object]:
    return found.errors() if isinstance(found, RequestValidationError) else ()


def _of_the_framework(found: Exception) -> Problem:
    """What FastAPI and Starlette refuse by themselves."""
    match found:
        case HTTPException(status_code=404):
            return problems.not_found()
        case HTTPException(status_code=405, headers=headers):
            return problems.method_not_allowed((headers or {}).get("Allow", ""))
        case HTTPException(status_code=413):
            return problems.too_large()
        case _:
            return problems.bad_request("The body cannot be read; send JSON in UTF-8.")
