"""Records as people read them in a terminal, 80 columns wide or wider; and in a pipe, where nothing is cut off.

Knows what a record's members mean to a person. Refuses to know where they come from.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from gateway.cli.finding import SHOWN

COLOURS = {"in-flight": "cyan", "completed": "green", "unknown": "bold yellow", "released": "", "expired": "dim"}

# What holds until a record's time is over, and what comes then.
_UNTIL = {
    "in-flight": "at most; then it is unknown",
    "completed": "it is replayed; then the key answers 410",
    "unknown": "it waits for the truth; then the key answers 410",
    "released": "it is remembered",
    "expired": "the key answers 410; then it is new again",
}

# In columns.
_NO_END = 10_000

_UNITS = (("d", 86400), ("h", 3600), ("min", 60))


def _print(*parts: RenderableType) -> None:
    """To standard output, without the blanks that fill a table. A pipe has no width, so nothing is folded to one."""
    out = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else _NO_END)
    with out.capture() as captured:
        for part in parts:
            out.print(part)
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def as_json(members: Mapping[str, Any]) -> None:
    """What a program reads."""
    sys.stdout.write(json.dumps(members, indent=2, ensure_ascii=False) + "\n")


def show_list(records: Iterable[Mapping[str, Any]], now: datetime) -> None:
    """One line a record; its caller, where one of them has any."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("ID", "STATE"):
        table.add_column(name, no_wrap=True)
    table.add_column("ROUTE", no_wrap=True, overflow="ellipsis")
    shown = list(records)
    named = any(record["caller"] for record in shown)
    if named:
        table.add_column("CALLER", no_wrap=True, overflow="ellipsis")
    table.add_column("FENCE", no_wrap=True, justify="right")
    table.add_column("SINCE", no_wrap=True)
    table.add_column("REASON", no_wrap=True, overflow="ellipsis")
    for record in shown:
        state = record["state"]
        table.add_row(
            record["id"][:SHOWN],
            Text(state, COLOURS[state]),
            record["route"],
            *([record["caller"] or ""] if named else []),
            str(record["fence"]),
            ago(record["since"], now),
            record["reason"] or "",
        )
    _print(table)


def show_record(record: Mapping[str, Any], now: datetime) -> None:
    """Everything that is known of one."""
    state = record["state"]
    why = f": {record['reason']}" if record["reason"] else ""
    told = Text.assemble(
        (state, COLOURS[state]), f" since {moment(record['since'])} ({ago(record['since'], now)}){why}"
    )
    lines: list[tuple[str, str | Text]] = [
        ("record", Text(record["id"], "bold")),
        ("state", told),
        ("route", record["route"]),
        *([("caller", record["caller"])] if record["caller"] else []),
        ("fence", str(record["fence"])),
        ("claimed", moment(record["created_at"])),
        ("until", f"{moment(record['until'])} {_UNTIL[state]}"),
        *_further(record),
    ]
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    for name, text in lines:
        grid.add_row(name, text)
    _print(grid, "", _history(record["history"] or ()))


def _further(record: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    if answer := record["answer"]:
        status = "does not open" if answer["status"] is None else str(answer["status"])
        size = "body not kept" if answer["size"] is None else _bytes(answer["size"])
        yield "answer", f"{status}, {size}"
    if listening := record["answer_until"]:
        yield "listening", f"the call itself may yet be answered, until {moment(listening)}; decide after that"
    if work := record["reconciler"]:
        yield "asked", f"{work['asks']} times; the upstream is asked next at {moment(work['next_at'])}"


def _history(events: Iterable[Mapping[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("WHEN", "WHAT", "FENCE", "BY"):
        table.add_column(name, no_wrap=True, justify="right" if name == "FENCE" else "left")
    table.add_column("NOTE")
    for event in events:
        table.add_row(moment(event["at"]), event["what"], str(event["fence"]), event["by"], event["note"])
    return table


def moment(text: str) -> str:
    """An instant to the second, in UTC, as log lines have it."""
    return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def ago(text: str, now: datetime) -> str:
    """How long it is since: ``3 min ago``."""
    seconds = max(0, int((now - datetime.fromisoformat(text)).total_seconds()))
    for unit, size in _UNITS:
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def _bytes(size: int) -> str:
    return f"{size:,} bytes" if size != 1 else "1 byte"
