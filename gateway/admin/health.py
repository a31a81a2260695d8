"""What always answers, whoever asks: liveness, readiness, metrics. It tells nothing of any caller."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from gateway.errors import StoreUnavailable

# Makes the text of everything that is measured, and names its content type.
Exposition = Callable[[], Awaitable[tuple[bytes, str]]]


@dataclass(frozen=True, slots=True)
class Probe:
    """A store by its kind and role; ``ping`` raises ``StoreUnavailable`` while it does not do its part."""

    name: str
    role: Literal["authority", "front"]
    ping: Callable[[], Awaitable[None]]


class Readiness:
    """Whether new calls are welcome: the authority can grant, somebody serves, and nobody has asked it to stop.

    ``working``: whether any process serves callers, where that is not this one. ``started``: it has come to serve once;
    ``draining``: it has been asked to stop, and new calls should go elsewhere, though they are still taken for a while.
    """

    def __init__(self, probes: Sequence[Probe], working: Callable[[], bool] | None) -> None:
        self._probes = probes
        self._working = working
        self.started = False
        self.draining = False

    async def answer(self) -> JSONResponse:
        """200 or 503, each store named with its state. A front that is lost costs time, and nobody's readiness."""
        stores = {probe.name: await _state(probe) for probe in self._probes}
        granting = all(state["state"] == "ok" for state in stores.values() if state["role"] == "authority")
        working = self._working is None or self._working()
        ready = granting and working and self.started and not self.draining
        status = "ready" if ready else self._phase()
        return JSONResponse({"status": status, "stores": stores}, 200 if ready else 503)

    def begun(self) -> JSONResponse:
        """200 from the moment on at which it has come to serve, whatever happens then."""
        return JSONResponse({"status": "started" if self.started else "starting"}, 200 if self.started else 503)

    def _phase(self) -> str:
        if self.draining:
            return "draining"
        return "unavailable" if self.started else "starting"


async def _state(probe: Probe) -> dict[str, str]:
    try:
        await probe.ping()
    except StoreUnavailable as fault:
        return {"role": probe.role, "state": "unavailable", "detail": str(fault)}
    return {"role": probe.role, "state": "ok"}


def health(readiness: Readiness, metrics: Exposition) -> APIRouter:
    """The routes."""
    router = APIRouter(include_in_schema=False)

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @router.get("/startupz")
    async def startupz() -> JSONResponse:
        return readiness.begun()

    @router.get("/readyz")
    async def readyz() -> JSONResponse:
        return await readiness.answer()

    @router.get("/metrics")
    async def exposition() -> Response:
        text, content_type = await metrics()
        return Response(text, media_type=content_type)

    return router
