"""Growth of the Postgres store: an empty table beside a full one, a sweep, and what becomes of the room it frees.

Knows the order of the measurement. Everything is done through the store that the gateway uses, but for filling it.
"""

from collections.abc import AsyncGenerator, Generator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gateway.ports import Store
from gateway.stores.sql.store import SqlStore
from loadtests.calls import PATIENCE, timed
from loadtests.growth import sizes, speed, sweep
from loadtests.growth.filling import fill
from loadtests.growth.spread import Spread
from loadtests.servers import postgres
from tests.postgres import Server, on


@dataclass(frozen=True, slots=True)
class Places:
    """A server with a database that is emptied before every round, one that is filled once, and one for a prototype."""

    server: Server
    empty: str
    full: str
    beside: str


@contextmanager
def places(folder: Path) -> Generator[Places]:
    """All of them, for as long as the block."""
    with ExitStack() as stack:
        server = stack.enter_context(postgres(folder))
        yield Places(server, *(stack.enter_context(server.database()) for _ in range(3)))


@asynccontextmanager
async def opened(url: str, *before: str) -> AsyncGenerator[Store]:
    """The store at ``url`` after some statements, each committed by itself."""
    for statement in before:
        await on(url, lambda connection, statement=statement: connection.execute(statement))  # type: ignore[misc]
    store = await SqlStore.open_postgres(url, deadline=PATIENCE)
    try:
        await store.digest_keys([None])
        yield store
    finally:
        await store.close()


async def vacuum(url: str) -> float:
    """Tidies up as autovacuum would have done by then; how long it took, in seconds."""
    return await timed(on(url, lambda connection: connection.execute("VACUUM (ANALYZE) records")))


async def grown(places: Places, spread: Spread, effort: speed.Effort) -> AsyncGenerator[str]:
    """The whole measurement, as lines for people that come as they are found."""
    filled, tidied = await timed(fill(places.full, *spread.stretches())), await vacuum(places.full)
    yield spread.line(filled)
    size = partial(sizes.sizes, places.server, places.full)
    found = [await size(f"filled, vacuumed in {tidied:,.1f} s")]
    empty = partial(opened, places.empty, "TRUNCATE records", "CHECKPOINT")
    full = partial(opened, places.full, "CHECKPOINT")
    of_empty, of_full = await speed.speeds(empty, full, spread.known, effort)
    for line in speed.table(of_empty, of_full, effort):
        yield line
    found.append(await size("and the first calls since"))
    async with full() as store:
        yield sweep.line(await sweep.swept(store, spread.to_sweep, effort), of_full)
    found.append(await size("swept"))
    found.append(await size(f"vacuumed in {await vacuum(places.full):,.1f} s"))
    await fill(places.full, spread.again())
    found.append(await size("as many again as were forgotten"))
    for line in sizes.table(found, spread.count):
        yield line
