"""Lists and counts for people, in stretches that the server gives between two calls.

Knows which stretch comes next, and how many records one page may look at: what a filter leaves out costs a look too, so
a page of a rare kind may end early, with the place to go on from. Refuses to know how a record is shown (``showing``).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.errors import RecordUnreadable
from gateway.protocol.dossier import Cursor, Entry, Open, Page, Query, State
from gateway.protocol.model import RecordId
from gateway.stores.redis import scripts
from gateway.stores.redis.layout import State as Letter
from gateway.stores.redis.layout import instant, since_1970
from gateway.stores.redis.showing import entry_of
from gateway.stores.redis.trips import Ask, Reply, Word, run

# Records looked at in one run of a script, a hundredth of a millisecond each; and for one page.
_STRETCH = 200
MOST = 10_000

# Of very many open calls, so many stretches are looked at, spread over all of them.
_SAMPLES = 8
_ROW, _GROUP = 3, 4

_LETTERS = {
    State.IN_FLIGHT: Letter.IN_FLIGHT,
    State.COMPLETED: Letter.COMPLETED,
    State.UNKNOWN: Letter.UNKNOWN,
    State.RELEASED: Letter.RELEASED,
    State.EXPIRED: Letter.EXPIRED,
}
_STATES = {letter.encode(): state for state, letter in _LETTERS.items()}


async def page(ask: Ask, query: Query, most: int = MOST) -> Page:
    """Law R3; several trips where much is left out. It ends early when ``most`` records have been looked at."""
    if query.ids is not None and not query.ids:
        return Page(())
    entries: list[Entry] = []
    place, last, looked_at = query.after, query.after, 0
    # One more than a full page tells whether there is a next one.
    stretch = min(_STRETCH, query.limit + 1)
    while looked_at < most:
        now, *rows = await run(ask, scripts.PAGE, None, *_words(query, place, stretch))
        for place, entry in _shown(rows, instant(now)):
            if entry is None or not _selects(query, entry):
                continue
            if len(entries) == query.limit:
                return Page(tuple(entries), last)
            entries.append(entry)
            last = place
        if len(rows) < _ROW * stretch:
            return Page(tuple(entries))
        looked_at, stretch = looked_at + stretch, _STRETCH
    return Page(tuple(entries), place)


def _words(query: Query, place: Cursor | None, stretch: int) -> Iterator[Word]:
    yield _LETTERS[query.state] if query.state else b""
    yield from ("+inf", b"") if place is None else (since_1970(place.created_at), place.id.digest)
    yield "-inf" if query.created_after is None else f"({since_1970(query.created_after)}"
    yield stretch
    yield from sorted(each.digest for each in query.ids or ())


def _shown(rows: Sequence[Reply], now: datetime) -> Iterator[tuple[Cursor, Entry | None]]:
    """Each place of a stretch, and what stands there; nothing where it does not open: a dossier tells of that."""
    for at in range(0, len(rows), _ROW):
        created, digest, text = rows[at : at + _ROW]
        record_id = RecordId(digest)
        try:
            entry = entry_of(record_id, text, now) if text else None
        except RecordUnreadable:
            entry = None
        yield Cursor(instant(created), record_id), entry


def _selects(query: Query, entry: Entry) -> bool:
    """What the stretch itself was not chosen by, or not as time has turned it."""
    return (
        query.state in (None, entry.state)
        and query.route in (None, entry.route)
        and (query.created_after is None or entry.created_at > query.created_after)
    )


async def open_calls(ask: Ask) -> Sequence[Open]:
    """In flight and unknown by route; of very many, about so many."""
    groups: dict[tuple[str, State], _Group] = {}
    for letter in (Letter.IN_FLIGHT, Letter.UNKNOWN):
        for group in await _tallied(ask, letter):
            known = groups.get(group.place)
            groups[group.place] = group if known is None else known.joined(group)
    return [Open(*place, round(group.number), group.oldest) for place, group in groups.items()]


@dataclass(frozen=True, slots=True)
class _Group:
    """Calls of one route and state; of a sample, as many as it stands for."""

    place: tuple[str, State]
    number: float
    oldest: timedelta

    def joined(self, other: "_Group") -> "_Group":
        return _Group(self.place, self.number + other.number, max(self.oldest, other.oldest))


async def _tallied(ask: Ask, letter: Letter) -> list[_Group]:
    """Those that are stored in one state: all of them, or stretches that lie evenly between oldest and newest."""
    first = await run(ask, scripts.TALLY, None, letter, 0, _STRETCH)
    stored = first[1]
    between = max(1, (stored - _STRETCH) / (_SAMPLES - 1)) if stored > _SAMPLES * _STRETCH else _STRETCH
    starts = [round(number * between) for number in range(1, _SAMPLES) if number * between < stored]
    told = [first, *[await run(ask, scripts.TALLY, None, letter, start, _STRETCH) for start in starts]]
    looked_at = sum(each[2] for each in told)
    weight = max(1.0, stored / looked_at) if looked_at else 1.0
    return [group for each in told for group in _groups(each, weight)]


def _groups(told: Reply, weight: float) -> Iterator[_Group]:
    now, _, _, *words = told
    for at in range(0, len(words), _GROUP):
        route, letter, number, since = words[at : at + _GROUP]
        place = route.decode(), _STATES[letter]
        yield _Group(place, number * weight, instant(now) - instant(since))
