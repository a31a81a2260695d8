"""Measures what group commit brings: first calls straight at the Postgres store, batched and not, side by side.

``python -m loadtests.commits`` starts a PostgreSQL whose commits wait for the disk, pins itself to one core and the
server to another, and in every round lets 64 and then 256 callers claim and complete new keys through three stores:
the one that the gateway uses, the same with one operation a commit, and the same again with one operation a commit but
as many commits at once as the store has connections, which is what a store without group commit would do.
"""

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import uvloop

from gateway.stores.batching import GroupCommit
from gateway.stores.sql.postgres import POOL
from gateway.stores.sql.store import SqlStore
from loadtests.calls import PATIENCE, Keys, crowd, first_calls, lasting
from loadtests.compared import ratio_of
from loadtests.cores import pin
from loadtests.load import Figures
from loadtests.servers import Written, described, postgres, written
from tests.postgres import Server, on

Operation = TypeVar("Operation")
Answer = TypeVar("Answer")


class OneByOne(SqlStore):
    """The same store with one operation a commit, and one commit at a time."""

    def __init__(self, *args: Any, **named: Any) -> None:  # noqa: ANN401 - the store's own
        super().__init__(*args, **named)
        self._commits = GroupCommit(self._commit, deadline=PATIENCE, limit=1)


class EachAlone(GroupCommit[Operation, Answer]):
    """No group: one operation a commit, and a commit on every connection of the pool at once."""

    def __init__(self, *args: Any, **named: Any) -> None:  # noqa: ANN401 - those of the group
        super().__init__(*args, **named)
        self._connections = asyncio.Semaphore(POOL)

    async def submit(self, operation: Operation, weight: int = 0) -> Answer:
        """The operation's answer, heard only after its commit."""
        async with self._connections:
            (outcome,) = await self._commit([operation], lambda: None)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


class SideBySide(SqlStore):
    """The same store without group commit."""

    def __init__(self, *args: Any, **named: Any) -> None:  # noqa: ANN401 - the store's own
        super().__init__(*args, **named)
        self._commits = EachAlone(self._commit, deadline=PATIENCE)


STORES: dict[str, type[SqlStore]] = {
    "batched": SqlStore,
    "one by one": OneByOne,
    f"one by one, {POOL} at once": SideBySide,
}
CALLERS = (64, 256)


@dataclass(frozen=True, slots=True)
class Measured:
    """One store under so many callers in one round: calls, and what the server wrote for them."""

    calls: int
    figures: Figures
    wrote: Written

    @property
    def commits(self) -> float:
        """For each call."""
        return self.wrote.commits / self.calls

    @property
    def wal(self) -> float:
        """Bytes for each call."""
        return self.wrote.wal / self.calls

    @property
    def commit_rate(self) -> float:
        """Commits a second."""
        return self.commits * self.figures.rate


async def measured(server: Server, url: str, kind: type[SqlStore], callers: int, seconds: float) -> Measured:
    """First calls through one kind of store, into an empty table right after a checkpoint."""
    await on(url, lambda connection: connection.execute("TRUNCATE records"))
    await on(url, lambda connection: connection.execute("CHECKPOINT"))
    before = await written(server, url)
    store = await kind.open_postgres(url, deadline=PATIENCE)
    try:
        await store.digest_keys([None])
        tally = await crowd(first_calls(store, Keys("commits")), callers, lasting(seconds))
    finally:
        await store.close()
    return Measured(tally.calls, tally.figures(), (await written(server, url)).since(before))


Found = dict[tuple[int, str], list[Measured]]


def table(found: Found) -> list[str]:
    """Lines for people: medians of the rounds, and the ratio to the batched store of the same round."""
    titles = f"{'calls/s':>9}{'ratio':>8}{'spread':>14}{'p50 ms':>9}{'p99 ms':>9}"
    lines = [f"{'':36}{titles}{'commits/s':>11}{'a call':>8}{'WAL B/call':>12}"]
    for (callers, name), rounds in found.items():
        rates = [each.figures.rate for each in rounds]
        base = [each.figures.rate for each in found[callers, "batched"]]
        p50, p99 = (1000 * median(getattr(each.figures, part) for each in rounds) for part in ("median", "p99"))
        commit_rate, commits, wal = (
            median(getattr(each, part) for each in rounds) for part in ("commit_rate", "commits", "wal")
        )
        lines.append(
            f"{f'{callers} callers, {name}':36}{median(rates):>9,.0f}{ratio_of(base, rates)}{p50:>9.1f}{p99:>9.1f}"
            f"{commit_rate:>11,.0f}{commits:>8.2f}{wal:>12,.0f}"
        )
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="of load for each store, crowd and round")
    parser.add_argument("--folder", type=Path, help="where the server's data lies meanwhile")
    options = parser.parse_args(arguments)
    found: Found = {(callers, name): [] for callers in CALLERS for name in STORES}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=options.folder)))
        server = stack.enter_context(postgres(folder))
        url = stack.enter_context(server.database())
        pin(0, 0)
        for _ in range(options.rounds):
            for callers, name in found:
                one = uvloop.run(measured(server, url, STORES[name], callers, options.seconds))
                found[callers, name].append(one)
        print("\n".join(table(found)))
        print(f"\np50 and p99 are those of the claim. {options.rounds} rounds of {options.seconds:g} s each, one core.")
        print(described(server))


if __name__ == "__main__":
    main()
