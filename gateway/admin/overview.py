"""How things stand, as the page shows it: what is unknown and in flight now, and what callers were told, by route."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from gateway.admin.desk import Desk
from gateway.admin.listing import Outcomes
from gateway.protocol.dossier import Entry, Query, State

# What callers were told, as the columns of the table of routes.
COLUMNS = ("executed", "replayed", "in-flight", "mismatch", "unknown", "not-executed")

# So many are shown; the rest is a link away.
UNKNOWN_SHOWN, FLYING_SHOWN = 20, 10


@dataclass(frozen=True, slots=True)
class Row:
    """A route. ``counts`` in the order of ``COLUMNS``; ``oldest``: for how long its oldest unknown has been so."""

    route: str
    counts: tuple[int, ...]
    in_flight: int
    unknown: int
    oldest: timedelta | None


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything that is shown of it."""

    states: Mapping[str, int]
    rows: tuple[Row, ...]
    unknown_entries: tuple[Entry, ...]
    flying: tuple[Entry, ...]

    @property
    def unknown(self) -> int:
        """Keys whose outcome nobody knows."""
        return sum(row.unknown for row in self.rows)

    @property
    def in_flight(self) -> int:
        """Calls under way."""
        return sum(row.in_flight for row in self.rows)


async def overview(desk: Desk, outcomes: Outcomes) -> Overview:
    """As it is now."""
    opened = {(each.route, each.state): each for each in await desk.open_calls()}
    told = await outcomes()
    names = dict.fromkeys([*(route.name for route in desk.routes.routes), *(route for route, _ in opened)])
    rows = tuple(
        Row(
            route=name,
            counts=tuple(told.get(name, {}).get(column, 0) for column in COLUMNS),
            in_flight=opened[name, State.IN_FLIGHT].count if (name, State.IN_FLIGHT) in opened else 0,
            unknown=opened[name, State.UNKNOWN].count if (name, State.UNKNOWN) in opened else 0,
            oldest=opened[name, State.UNKNOWN].oldest if (name, State.UNKNOWN) in opened else None,
        )
        for name in names
    )
    return Overview(
        await desk.counts(),
        rows,
        (await desk.page(Query(state=State.UNKNOWN, limit=UNKNOWN_SHOWN))).entries,
        (await desk.page(Query(state=State.IN_FLIGHT, limit=FLYING_SHOWN))).entries,
    )
