"""What is decided through the API: release, resolve, forget; each by somebody, under the fence that they were shown.

Knows how an outcome is told over HTTP. The desk decides, and audits.
"""

from datetime import datetime
from typing import assert_never

from fastapi import APIRouter, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field

from gateway.admin import problems, shapes
from gateway.admin.answers import GivenAnswer, Word
from gateway.admin.desk import Desk
from gateway.admin.guarding import Asker
from gateway.admin.outcomes import Absent, Erased, Held, Outcome, Overtaken, Rejected, Underway
from gateway.admin.problems import Problem, Refused
from gateway.protocol.dossier import State


class DecidedDocument(BaseModel):
    """The decision holds."""

    model_config = {"title": "Decided"}

    id: shapes.Id
    state: State = Field(description="What the record is now.", examples=["completed"])
    fence: int = Field(description="Its fence now.", examples=[2])
    replay_until: datetime | None = Field(description="Until when a resolved answer is replayed.")


class ForgottenDocument(BaseModel):
    """No answer is left in the store."""

    model_config = {"title": "Forgotten"}

    id: shapes.Id
    fence: int = Field(description="Its fence, which is as it was.", examples=[1])
    copies_gone: bool = Field(description="Whether no copy is left in front of it either.")


def deciding(desk: Desk, route: type[APIRoute]) -> APIRouter:
    """The routes for whoever may settle; a verb is audited by the name of its function."""
    router = APIRouter(prefix="/api/keys/{id}", route_class=route, tags=["verbs"])

    @router.post("/release", operation_id="releaseKey", summary='"It was not executed"')
    async def release(id: shapes.Id, word: Word, who: Asker) -> DecidedDocument:  # noqa: A002 - the path's own name
        """An unknown key becomes free: the next call with it is sent. Say so only where nothing was executed."""
        return _decided(id, State.RELEASED, await desk.release(shapes.record_id(id), word, who.name))

    @router.post("/resolve", operation_id="resolveKey", summary='"This was the answer"')
    async def resolve(id: shapes.Id, word: GivenAnswer, who: Asker) -> DecidedDocument:  # noqa: A002
        """An unknown key becomes complete: every later call with it gets this answer, as a replay."""
        return _decided(id, State.COMPLETED, await desk.resolve(shapes.record_id(id), word, who.name))

    @router.delete(
        "",
        operation_id="forgetKey",
        summary="Erase the answer",
        responses={
            202: {"model": ForgottenDocument, "description": "Erased in the store; a copy is yet to go: ask again."}
        },
    )
    async def forget(id: shapes.Id, word: Word, who: Asker, response: Response) -> ForgottenDocument:  # noqa: A002
        """Erases answer, values and copies for good; the key answers 410 from then on. Asked again, it tells whether
        every copy is gone."""
        outcome = await desk.forget(shapes.record_id(id), word, who.name)
        if not isinstance(outcome, Erased):
            raise Refused(refusal_of(outcome))
        if not outcome.copies_gone:
            response.status_code = 202
            response.headers["Retry-After"] = "5"
        return ForgottenDocument(id=id, fence=word.fence, copies_gone=outcome.copies_gone)

    return router


def _decided(text: str, state: State, outcome: Outcome) -> DecidedDocument:
    if not isinstance(outcome, Held):
        raise Refused(refusal_of(outcome))
    return DecidedDocument(id=text, state=state, fence=outcome.fence, replay_until=outcome.replay_until)


def refusal_of(outcome: Outcome) -> Problem:
    """Why nothing was done."""
    match outcome:
        case Absent():
            return problems.no_record()
        case Overtaken(verb=verb, fence=fence, state=state, shown=shown, same=same):
            return problems.moved(verb, state, fence, shown, same=same)
        case Underway(fence=fence, seconds=seconds):
            return problems.in_flight(fence, seconds)
        case Rejected(faults=faults):
            return problems.invalid(faults)
        case Held() | Erased():
            raise TypeError("this outcome refuses nothing")
        case _:
            assert_never(outcome)
