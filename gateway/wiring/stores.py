"""Stores out of a configuration, and what the command line does with one by itself.

Each store's library is imported where that store is opened: SQLAlchemy and redis-py take more memory than a gateway
that uses neither.
"""

import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gateway.admin.health import Probe
from gateway.config.configuration import Configuration, StoreChoice
from gateway.errors import StoreUnavailable, StoreUnfit
from gateway.ports import Calls, Observer, Store, SweepCounts
from gateway.registry import Records
from gateway.runner.sweeping import sweep_once
from gateway.stores.memory import MemoryStore
from gateway.stores.recent import Recent
from gateway.stores.redis.address import address_of
from gateway.stores.sealing import Sealer
from gateway.stores.sql.postgres_url import shown
from gateway.stores.tiered import TieredStore
from gateway.stores.timing import CommitMeter, Timed


class LocalClock:
    """The machine's monotonic clock."""

    # Seconds that only grow, read now: the loop's own clock stands still while the process does.
    monotonic = staticmethod(time.monotonic)


async def open_store(choice: StoreChoice, observer: Observer, encryption_keys: Sequence[bytes] = ()) -> Records:
    """The chosen store, ready to be asked for its digest key."""
    sealer = Sealer(encryption_keys) if encryption_keys else None
    if not choice.front:
        return await _authority(choice, sealer, observer)
    from gateway.stores.redis.front import RedisFront  # noqa: PLC0415
    from gateway.stores.sql.store import SqlStore  # noqa: PLC0415

    with named(choice):
        meter = CommitMeter(choice.kind, observer)
        authority = await SqlStore.open_postgres(choice.url, sealer=sealer, meter=meter)
    try:
        front = RedisFront.at(choice.front, sealer=sealer)
        asked = Timed(authority, choice.kind, observer, LocalClock())
        return TieredStore(authority, front, observer, LocalClock(), asked=asked)
    except StoreUnfit:
        await authority.close()
        raise


def with_recent(store: Store, configuration: Configuration, observer: Observer) -> tuple[Calls, Recent | None]:
    """The store as calls have it, what it replayed lately in front of it; a store in memory needs no such thing."""
    cache, calls = configuration.replay_cache, timed(store, configuration.store, observer)
    if not cache.max_bytes or not cache.max_age or configuration.store.kind == "memory":
        return calls, None
    recent = Recent(calls, LocalClock(), observer, cache.max_bytes, cache.max_age.total_seconds())
    store.follow(recent)
    return recent, recent


def timed(store: Store, choice: StoreChoice, observer: Observer) -> Calls:
    """The store as calls have it, each claim and settlement timed; of two, it is the authority that is, inside."""
    return store if choice.front else Timed(store, choice.kind, observer, LocalClock())


async def _authority(choice: StoreChoice, sealer: Sealer | None, observer: Observer | None = None) -> Records:
    meter = None if observer is None else CommitMeter(choice.kind, observer)
    with named(choice):
        match choice.kind:
            case "memory":
                return await MemoryStore.open()
            case "redis":
                from gateway.stores.redis.store import RedisStore  # noqa: PLC0415

                return await RedisStore.open(choice.url, sealer=sealer)
            case "sqlite" | "postgres":
                from gateway.stores.sql.store import SqlStore  # noqa: PLC0415

                if choice.kind == "sqlite":
                    return await SqlStore.open_sqlite(Path(choice.path), sealer=sealer, meter=meter)
                return await SqlStore.open_postgres(choice.url, sealer=sealer, meter=meter)


@contextmanager
def named(choice: StoreChoice) -> Generator[None]:
    """A fault of a store says which one."""
    try:
        yield
    except StoreUnfit as fault:
        raise StoreUnfit(f"store {store_name(choice)}: {fault}") from fault
    except StoreUnavailable as fault:
        raise StoreUnavailable(f"store {store_name(choice)}: {fault}") from fault


def store_name(choice: StoreChoice) -> str:
    """The store as people write it: a file by its absolute path, a server without credentials."""
    front = f", behind {address_of(choice.front).shown}" if choice.front else ""
    return _authority_name(choice) + front


def _authority_name(choice: StoreChoice) -> str:
    match choice.kind:
        case "memory":
            return "memory"
        case "sqlite":
            return f"sqlite {Path(choice.path).absolute()}"
        case "postgres":
            return shown(choice.url)
        case "redis":
            return address_of(choice.url).shown


async def sweep(choice: StoreChoice) -> SweepCounts:
    """One sweep to the end, for the command line."""
    if choice.kind == "sqlite":
        from gateway.stores.sql.revisions import SchemaState  # noqa: PLC0415
        from gateway.stores.sql.schema import schema_state  # noqa: PLC0415

        if schema_state(choice.path) is SchemaState.ABSENT:
            raise StoreUnfit(
                f"store {store_name(choice)}: there is no store to sweep; give the file that the gateway uses"
            )
    store = await _authority(choice, None)
    try:
        return await sweep_once(store)
    finally:
        await store.close()


def cautions_of(choice: StoreChoice, store: Store) -> Sequence[str]:
    """What its owner should know of a store that was opened."""
    if choice.kind != "redis":
        return ()
    from gateway.stores.redis.store import RedisStore  # noqa: PLC0415

    return store.cautions if isinstance(store, RedisStore) else ()


def probes_of(choice: StoreChoice, store: Store) -> list[Probe]:
    """What readiness asks."""
    probes = [Probe(choice.kind, "authority", store.ping)]
    return [*probes, Probe("redis", "front", store.ping_front)] if isinstance(store, TieredStore) else probes
