"""Growth of the Redis store: an empty server beside a full one, the memory that a record takes, and a sweep.

Knows the order of the measurement. The server is filled through the store itself, many calls at once; a record that is
to be due was promised a retention of a millisecond.
"""

import asyncio
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from gateway.ports import Store
from gateway.protocol.model import Claim, Retention
from gateway.stores.redis import sweeping
from gateway.stores.redis.layout import PREFIX, key_of
from gateway.stores.redis.store import RedisStore
from loadtests.calls import PATIENCE, RETENTION, claim_of, first_call, timed
from loadtests.growth import speed, sweep
from loadtests.growth.spread import Fate, Spread, record_of
from loadtests.servers import valkey
from tests.redis_servers import RedisServer

_AT_ONCE = 256
_SOON = timedelta(milliseconds=1)
_RETENTION: dict[Fate, Retention] = {
    Fate.FORGOTTEN: replace(RETENTION, response=_SOON, key=_SOON),
    Fate.EXPIRED: replace(RETENTION, response=_SOON),
    Fate.KEPT: RETENTION,
}


@dataclass(frozen=True, slots=True)
class Places:
    """A server that is emptied before every round, and one that is filled once."""

    empty: RedisServer
    full: RedisServer


@contextmanager
def places() -> Generator[Places]:
    """Both, for as long as the block."""
    with valkey() as empty, valkey() as full:
        yield Places(empty, full)


@asynccontextmanager
async def opened(server: RedisServer, *, emptied: bool = False) -> AsyncGenerator[Store]:
    """The store on a server."""
    if emptied:
        server.ask.flushall()
    store = await RedisStore.open(server.url, deadline=PATIENCE)
    try:
        await store.digest_keys([None])
        yield store
    finally:
        await store.close()


async def fill(store: Store, spread: Spread) -> None:
    """Claims and completes every record of the spread."""
    waiting = _claims(spread)

    async def filling() -> None:
        for claim in waiting:
            await first_call(store, claim)

    async with asyncio.TaskGroup() as group:
        for _ in range(_AT_ONCE):
            group.create_task(filling())


def _claims(spread: Spread) -> Iterator[Claim]:
    for stretch in spread.stretches():
        for number in stretch.numbers:
            yield claim_of(record_of(number), _RETENTION[stretch.fate])


def memory(server: RedisServer) -> int:
    """Bytes that the server has in use."""
    facts = server.ask.info("memory")
    assert isinstance(facts, dict)
    return int(facts["used_memory"])


def _takes(server: RedisServer, key: bytes) -> int:
    """Bytes of one key with all that is in it; none where there is no such key."""
    taken = server.ask.memory_usage(key, samples=0)
    assert taken is None or isinstance(taken, int)
    return taken or 0


async def grown(places: Places, spread: Spread, effort: speed.Effort) -> AsyncGenerator[str]:
    """The whole measurement, as lines for people that come as they are found."""
    full = partial(opened, places.full)
    async with full() as store:
        before = memory(places.full)
        yield spread.line(await timed(fill(store, spread)))
        taken = memory(places.full) - before
    one = _takes(places.full, key_of(spread.known()))
    indexes = [PREFIX + name.encode() + of for name in sweeping.NAMES for of in (b"", b":made")]
    indexed = sum(_takes(places.full, index) for index in indexes)
    yield (
        f"used_memory {taken / 1e6:,.1f} MB, {taken / spread.count:,.0f} bytes a record: "
        f"{one:,} are the record itself, {indexed / spread.count:,.0f} its places in the two sorted sets of its state"
    )
    empty = partial(opened, places.empty, emptied=True)
    of_empty, of_full = await speed.speeds(empty, full, spread.known, effort)
    for line in speed.table(of_empty, of_full, effort):
        yield line
    async with full() as store:
        yield sweep.line(await sweep.swept(store, spread.to_sweep, effort), of_full)
