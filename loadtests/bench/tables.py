"""A run's figures as tables of words: which rows stand together, what each is compared with, and in which units.

Knows no terminal and no Markdown; whoever prints them does.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from loadtests.bench.bodies import shown
from loadtests.bench.result import Kind, Row, Run, added, ratio
from loadtests.bench.subjects import DIRECT, NGINX, NGINX_LUA
from loadtests.bench.targets import targets

BASES = {Kind.PASS: NGINX, Kind.FIRST: NGINX_LUA, Kind.REPLAY: NGINX_LUA, Kind.ONE: NGINX_LUA}


@dataclass(frozen=True, slots=True)
class Table:
    """A title, the columns' names and the cells; the first column is text, the others figures, or text all of them."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text: bool = False

    def is_text(self, column: int) -> bool:
        """Whether its cells are words."""
        return self.text or column == 0


def rates(run: Run, body: int, connections: int) -> Table:
    """Calls a second of everybody, compared with nginx in the same rounds."""
    rows = [row for row in run.rows if (row.body, row.connections) == (body, connections) and row.subject != DIRECT]
    kinds = sorted(rows, key=lambda row: list(Kind).index(row.kind))
    return Table(
        f"{connections} connection{'s' * (connections > 1)}, bodies of {shown(body)}",
        ("", "calls/s", "ratio to nginx", "p50 ms", "p99 ms", "CPU µs a call", "bytes grown a call", "peak MiB"),
        tuple(_rate(run, row) for row in kinds),
    )


def _rate(run: Run, row: Row) -> tuple[str, ...]:
    base = run.row(BASES[row.kind], row.kind, row.connections, row.body)
    return (
        f"{row.kind}: {row.subject}",
        f"{row.median(lambda each: each.rate):,.0f}",
        "" if base is None else str(ratio(row, base)),
        f"{row.median(lambda each: each.p50 * 1000):.2f}",
        f"{row.median(lambda each: each.p99 * 1000):.2f}",
        f"{row.median(lambda each: each.cpu * 1e6):.0f}",
        f"{row.median(lambda each: each.memory):,.0f}",
        f"{max(each.peak for each in row.rounds) / 2**20:.0f}",
    )


def latencies(run: Run, body: int) -> Table | None:
    """What comes on top of a call straight to the API, at one connection."""
    direct = run.row(DIRECT, Kind.PASS, 1, body)
    if direct is None:
        return None
    found: list[tuple[str, ...]] = []
    for row in sorted(run.rows, key=lambda row: list(Kind).index(row.kind)):
        if (row.connections, row.body) != (1, body) or row.subject == DIRECT:
            continue
        cells = [f"{row.kind}: {row.subject}"]
        for figure in (lambda each: each.p50, lambda each: each.p99):
            more = added(row, direct, figure)
            cells.append(f"{1000 * more.median:.2f} ({1000 * more.least:.2f} to {1000 * more.most:.2f})")
        found.append(tuple(cells))
    return Table("added to a direct call at one connection, ms", ("", "p50", "p99"), tuple(found))


def goals(run: Run) -> Table:
    """The targets, and whether they were met."""
    rows = [(each.name, each.wanted, each.found, each.verdict) for each in targets(run)]
    return Table("targets", ("", "wanted", "found", ""), tuple(rows), text=True)


def behaviour(run: Run) -> Table:
    """What everybody did when it was tried, and what it does not do."""
    columns = ("", "retry", "another body", "20 at once", "executed", "what it does not do")
    rows = (
        (each.subject, each.retry, each.other_body, each.at_once, str(each.executed), each.lacks)
        for each in run.observed
    )
    return Table("tried before it was measured", columns, tuple(rows), text=True)


def everything(run: Run) -> Sequence[Table]:
    """All tables of a run, in the order in which they are read."""
    groups: Iterable[tuple[int, int]] = dict.fromkeys((row.body, row.connections) for row in run.rows)
    found = [
        *(rates(run, *group) for group in groups),
        *(latencies(run, body) for body in dict.fromkeys(row.body for row in run.rows)),
        behaviour(run),
        goals(run),
    ]
    return [table for table in found if table is not None and table.rows]
