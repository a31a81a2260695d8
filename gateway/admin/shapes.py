"""What the API takes and gives, as models that its OpenAPI document describes. Never a key, a credential or a body.

Instants are the store's, with their offset; ages are in seconds. Knows how a record is shown; refuses to know how it is
found or decided on.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from gateway.protocol.dossier import Dossier, Entry, Event, Happening, Open, State
from gateway.protocol.model import RecordId

ID = r"^[0-9a-f]{64}$"
_EXAMPLE_ID = "9b1c7a54e0f3d2c84f0a6b7e19d35c2277e04b8a1f6d9c03b5e2a74810cd6f3e"
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)

# As long as a history keeps of a note.
LONGEST_NOTE = 200


def _instant(value: object) -> datetime:
    found = _INSTANT.fullmatch(value) if isinstance(value, str) else None
    try:
        return datetime.fromisoformat(found[0].upper() if found else "").astimezone(UTC)
    except (ValueError, OverflowError):
        told = "must be an instant with its offset, such as 2026-11-28T09:30:00Z (write '+' as %2B in a URL)"
        raise ValueError(told) from None


def _printable(text: str) -> str:
    if text and not text.isprintable():
        raise ValueError("must be one line of printable text")
    return text


Instant = Annotated[datetime, BeforeValidator(_instant), WithJsonSchema({"type": "string", "format": "date-time"})]
Id = Annotated[str, Field(pattern=ID, description="The record's id.", examples=[_EXAMPLE_ID])]
Fence = Annotated[
    int, Field(strict=True, ge=1, le=2**63 - 1, description="The fence of the record that was shown.", examples=[1])
]
Note = Annotated[
    str,
    Field(max_length=LONGEST_NOTE, description="Why, for the record's history.", examples=["looked it up at the API"]),
    AfterValidator(_printable),
]


class Taken(BaseModel):
    """What is sent: nothing unknown in it, so that a misspelt filter is not a filter less."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Filter(Taken):
    """Which records to list; what is left out selects nothing."""

    state: State | None = Field(default=None, description="What they are.")
    route: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9._-]{1,63}$",
        description="The route that they came by.",
        examples=["payments"],
    )
    created_after: Instant | None = Field(default=None, description="Only those claimed later.")
    key: str | None = Field(
        default=None,
        min_length=1,
        max_length=1024,
        description="A key's text as a caller sent it, looked up by its digest in every namespace of the "
        "configuration; each record found is shown with its history.",
    )
    cursor: str | None = Field(
        default=None,
        description="`next` of the page before.",
        json_schema_extra={"pattern": "^[A-Za-z0-9_-]{54}$"},
    )
    limit: int = Field(default=50, ge=1, le=500, description="Records on a page.")


class Asking(BaseModel):
    """A reconciler at work on an unknown record."""

    asks: int = Field(description="How often it asked the upstream.")
    next_at: datetime | None = Field(description="When it asks next.")


class Happened(BaseModel):
    """One thing that happened to a record."""

    at: datetime
    what: Happening
    fence: int
    by: str = Field(description="An operator's name, or gateway, time, reconciler, loopback.", examples=["on-call"])
    note: str = Field(examples=["looked it up at the API"])

    @classmethod
    def of(cls, event: Event) -> Self:
        """As shown."""
        return cls(at=event.at, what=event.what, fence=event.fence, by=event.by, note=event.note)


class Answer(BaseModel):
    """What is known of a completed record's answer."""

    status: int | None = Field(description="Its status; null where the kept answer does not open.", examples=[201])
    size: int | None = Field(description="Bytes of its body; null where it was not kept.", examples=[42])


class Record(BaseModel):
    """A record; its answer and history are told where one record, or one key, was asked for."""

    id: Id
    state: State
    route: str = Field(examples=["payments"])
    caller: str | None = Field(
        description="The name of the caller whom the gateway knew; null where it knew none.", examples=["shop"]
    )
    fence: int = Field(description="Which decision on it is the newest; verbs need it.", examples=[1])
    created_at: datetime = Field(description="When it was claimed.")
    since: datetime = Field(description="When it became what it is.")
    until: datetime = Field(description="When time turns it: a lease, a replay, a wait or a tombstone ends.")
    reason: str | None = Field(description="Why an unknown one is unknown.", examples=["timeout"])
    reconciler: Asking | None = Field(description="While a reconciler is at work on it.")
    answer: Answer | None = Field(default=None, description="Of a completed record.")
    answer_until: datetime | None = Field(
        default=None, description="Until when an unknown call itself may yet be answered; decide after that."
    )
    history: list[Happened] | None = Field(default=None, description="Everything that happened to it, oldest first.")


class Page(BaseModel):
    """Some records, newest first. Looked up by key, each is shown with its history."""

    keys: list[Record]
    next: str | None = Field(description="`cursor` of the next page; null at the end.")


class Calls(BaseModel):
    """Calls of a route that are in flight or unknown."""

    route: str
    state: State
    count: int
    oldest_seconds: float = Field(description="For how long the oldest has been so.")

    @classmethod
    def of(cls, calls: Open) -> Self:
        """As shown."""
        return cls(
            route=calls.route,
            state=calls.state,
            count=calls.count,
            oldest_seconds=round(calls.oldest.total_seconds(), 3),
        )


class Stats(BaseModel):
    """How things stand."""

    states: dict[str, int] = Field(description="Records by state, in the store.", examples=[{"unknown": 1}])
    open: list[Calls] = Field(description="Calls in flight and unknown by route, in the store.")
    outcomes: dict[str, dict[str, int]] = Field(
        description="Calls that this gateway answered since it started, by route and Idempotency-Status.",
        examples=[{"payments": {"executed": 2, "replayed": 1}}],
    )


def record(entry: Entry) -> Record:
    """A record of a list."""
    return Record(
        id=str(entry.id),
        state=entry.state,
        route=entry.route,
        caller=entry.caller or None,
        fence=entry.fence,
        created_at=entry.created_at,
        since=entry.since,
        until=entry.until,
        reason=entry.reason or None,
        reconciler=Asking(asks=entry.asks, next_at=entry.asks_at) if entry.asks_at is not None else None,
    )


def with_history(dossier: Dossier, listening_until: datetime | None = None) -> Record:
    """A record by itself; ``listening_until`` as the desk tells it."""
    completed = dossier.entry.state is State.COMPLETED
    told: dict[str, Any] = {
        "answer": Answer(status=dossier.status, size=dossier.size) if completed else None,
        "answer_until": listening_until,
        "history": [Happened.of(event) for event in dossier.history],
    }
    return record(dossier.entry).model_copy(update=told)


def stats(states: Mapping[str, int], calls: Sequence[Open], outcomes: Mapping[str, Mapping[str, int]]) -> Stats:
    """How things stand, the oldest open calls first."""
    told = sorted(calls, key=lambda each: each.oldest, reverse=True)
    happened = ((route, {name: count for name, count in counts.items() if count}) for route, counts in outcomes.items())
    by_route = {route: counts for route, counts in sorted(happened) if counts}
    return Stats(states=dict(states), open=[Calls.of(each) for each in told], outcomes=by_route)


def record_id(text: str) -> RecordId:
    """An id that was sent and is in its form."""
    return RecordId(bytes.fromhex(text))
