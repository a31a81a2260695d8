"""What one record takes in each store: while its answer is kept, and as the tombstone that is left of it.

``python -m loadtests.records`` fills an SQLite file, a Redis where one is installed, a Valkey and a Postgres with
completed records, once with a small answer and once with one of 10,000 bytes that nothing can compress, and then lets
the sweep take the answers away. Sizes do not depend on how fast the machine is, nor on what else it does.
"""

import argparse
import asyncio
import itertools
import os
import sqlite3
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, closing
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

from gateway.ports import Store
from gateway.protocol.model import Complete, Granted, Settled, StoredResponse
from gateway.runner.sweeping import BATCH
from gateway.stores.sql.store import SqlStore
from loadtests import servers as places
from loadtests.calls import ANSWER, PATIENCE, RETENTION, claim_of, id_of
from loadtests.growth import postgres, valkey
from tests.postgres import on
from tests.redis_servers import BINARIES, RedisServer

LARGE = replace(ANSWER, body=os.urandom(10_000))
_SOON = replace(RETENTION, response=timedelta(milliseconds=1))
_AT_ONCE = 64

# Bytes that everything in the store takes now, when what was freed has been given back.
Weigh = Callable[[], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class Taken:
    """Bytes a record: with its answer, and as a tombstone."""

    kept: float
    tombstone: float


async def taken(store: Store, weigh: Weigh, count: int, answer: StoredResponse) -> Taken:
    """Fills an empty store with ``count`` records, weighs it, sweeps the answers away, and weighs it again."""
    empty, numbers = await weigh(), iter(range(count))

    async def filling() -> None:
        for number in numbers:
            verdict = await store.claim(claim_of(id_of("weighed", number), _SOON))
            assert isinstance(verdict, Granted), verdict
            assert isinstance(await store.settle(verdict.grant, Complete(answer)), Settled)

    async with asyncio.TaskGroup() as group:
        for _ in range(_AT_ONCE):
            group.create_task(filling())
    full, swept = await weigh(), 0
    while expired := (await store.sweep(BATCH)).answers_expired:
        swept += expired
    assert swept == count, f"{swept} swept of {count}"
    return Taken((full - empty) / count, (await weigh() - empty) / count)


@asynccontextmanager
async def in_sqlite(file: Path) -> AsyncGenerator[tuple[Store, Weigh]]:
    """A new file."""
    store = await SqlStore.open_sqlite(file, deadline=PATIENCE)

    async def weigh() -> int:
        def bytes_of() -> int:
            with closing(sqlite3.connect(file, isolation_level=None)) as connection:
                connection.execute("VACUUM")
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return file.stat().st_size

        return await asyncio.to_thread(bytes_of)

    try:
        await store.digest_keys([None])
        yield store, weigh
    finally:
        await store.close()


@asynccontextmanager
async def in_redis(server: RedisServer) -> AsyncGenerator[tuple[Store, Weigh]]:
    """A server, emptied first."""
    async with valkey.opened(server, emptied=True) as store:

        async def weigh() -> int:
            return valkey.memory(server)

        yield store, weigh


@asynccontextmanager
async def in_postgres(url: str) -> AsyncGenerator[tuple[Store, Weigh]]:
    """A database, emptied first."""

    async def weigh() -> int:
        await on(url, lambda connection: connection.execute("VACUUM FULL records"))
        size: int = await on(url, lambda connection: connection.fetchval("SELECT pg_total_relation_size('records')"))
        return size

    async with postgres.opened(url, "TRUNCATE records") as store:
        yield store, weigh


Opened = Callable[[], AbstractAsyncContextManager[tuple[Store, Weigh]]]


async def weighed(opened: Opened, count: int) -> list[Taken]:
    """A store with small answers, and the same with large ones."""
    found = []
    for answer in (ANSWER, LARGE):
        async with opened() as (store, weigh):
            found.append(await taken(store, weigh, count, answer))
    return found


def line(name: str, found: list[Taken]) -> str:
    """For people: bytes with a small answer, for each further byte of it, and of a tombstone."""
    small, large = found
    further = (large.kept - small.kept) / (len(LARGE.body) - len(ANSWER.body))
    return f"{name:10}{small.kept:>14,.0f}{further:>14.2f}{small.tombstone:>14,.0f}"


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.records", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--records", type=int, default=20_000, metavar="N", help="in each store")
    options = parser.parse_args(arguments)
    print(f"{'bytes':10}{'small answer':>14}{'further byte':>14}{'tombstone':>14}")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        files = (folder / f"{number}.db" for number in itertools.count())
        server = stack.enter_context(places.postgres(folder / "postgres"))
        url = stack.enter_context(server.database())
        redises = {name: stack.enter_context(places.valkey(binary)) for name, binary in sorted(BINARIES.items())}
        stores: dict[str, Opened] = {
            "SQLite": lambda: in_sqlite(next(files)),
            **{name.capitalize(): partial(in_redis, server) for name, server in redises.items()},
            "Postgres": lambda: in_postgres(url),
        }
        for name, opened in stores.items():
            print(line(name, asyncio.run(weighed(opened, options.records))), flush=True)
    print(f"{options.records:,} records; a small answer is {len(ANSWER.body)} bytes and 10 fields.")


if __name__ == "__main__":
    main()
