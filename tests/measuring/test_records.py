"""What a record weighs is what the page on capacity calculates with, within bounds that no machine moves."""

import asyncio
import re
from pathlib import Path

import pytest

from loadtests.calls import ANSWER
from loadtests.records import Opened, Taken, in_redis, in_sqlite, taken
from tests.docs.pages import block
from tests.measuring.commands import printed
from tests.redis_servers import BINARIES, shared

# Enough that what a server keeps for its connections does not count.
RECORDS = 2000


def shown(name: str) -> Taken:
    """The weights of a store on the page: with a small answer, and of a tombstone."""
    (line,) = re.findall(rf"^{name} +(.+)$", block("figures", "records"), re.MULTILINE)
    small, _, tombstone = (float(part.replace(",", "")) for part in line.split())
    return Taken(small, tombstone)


@pytest.mark.parametrize("name", ["SQLite", *map(str.capitalize, BINARIES)])
def test_a_record_weighs_what_capacity_is_planned_with(name: str, tmp_path: Path) -> None:
    file = tmp_path / "gateway.db"
    opened: Opened = (lambda: in_sqlite(file)) if name == "SQLite" else (lambda: in_redis(shared(name.lower())))

    async def weighed() -> Taken:
        async with opened() as (store, weigh):
            return await taken(store, weigh, RECORDS, ANSWER)

    found, planned = asyncio.run(weighed()), shown(name)
    assert planned.kept / 2 < found.kept < planned.kept * 2
    assert planned.tombstone / 2 < found.tombstone < planned.tombstone * 2


def test_the_command_prints_the_rows_that_are_shown() -> None:
    rows, shown_rows = (
        [line.split()[0] for line in text.splitlines()[1:-1]]
        for text in (printed("loadtests.records", "--records", "100"), block("figures", "records"))
    )
    assert rows == [row for row in shown_rows if row != "Redis" or "redis" in BINARIES]
