"""What a store under test brings: three hooks, and nothing that a law could tell it by.

``open`` gives a store, ``age`` rewinds one record's instants so that nothing sleeps, ``sever`` takes the store's
records away from under it.
"""

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Sequence
from contextlib import closing
from dataclasses import fields, replace
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from gateway.ports import SweepCounts
from gateway.protocol.model import (
    Busy,
    Claim,
    Complete,
    Forgotten,
    Grant,
    Granted,
    Moved,
    NotKept,
    Record,
    RecordId,
    Settled,
    Settlement,
    StoredResponse,
    Verdict,
)
from gateway.protocol.observations import Observation
from gateway.registry import Records
from gateway.stores.memory import MemoryStore
from gateway.stores.redis.faults import PERMISSIONS
from gateway.stores.redis.front import PREFIX, RedisFront
from gateway.stores.redis.store import RedisStore
from gateway.stores.sealing import Sealer
from gateway.stores.sql import histories
from gateway.stores.sql.postgres import open_database
from gateway.stores.sql.store import SqlStore
from gateway.stores.tiered import TieredStore
from gateway.stores.tiered_registry import Authority
from tests.postgres import Server
from tests.redis_servers import RedisServer
from tests.stores.redis_aging import rewind

Result = TypeVar("Result")

# What seals records where a test leaves values in them, which are never kept otherwise.
SEALER = Sealer([b"a key of the tests"])

_INSTANTS = ("turns_at", "forget_at", "created_at", "first_sent_at", "since", "asks_at")

# What the sentence about a forbidden command asks for, and nothing else.
GRANTED = [f"+{command}" for command in PERMISSIONS]


class Backend(Protocol):
    async def open(self) -> Records: ...

    def age(self, record_id: RecordId, seconds: float) -> None: ...

    def sever(self) -> None: ...


class AuthorityBackend(Backend, Protocol):
    """One whose store may have a front."""

    async def open(self) -> Authority: ...


class MemoryBackend:
    def __init__(self) -> None:
        self.store = MemoryStore()

    async def open(self) -> MemoryStore:
        await self.store.digest_keys([None])
        return self.store

    def age(self, record_id: RecordId, seconds: float) -> None:
        record: Any = self.store._records.get(record_id)
        if record is None:
            return
        values = {field.name: getattr(record, field.name) for field in fields(record)}
        back = timedelta(seconds=seconds)
        rewound = {name: value - back for name, value in values.items() if isinstance(value, datetime)}
        self.store._records[record_id] = replace(record, **rewound)
        side = self.store._sides[record_id]
        side.created_at -= back
        side.history = [replace(event, at=event.at - back) for event in side.history]

    def sever(self) -> None:
        asyncio.run(self.store.close())


class SqliteBackend:
    def __init__(self, path: Path, sealer: Sealer | None = None) -> None:
        self.path = path
        self.sealer = sealer

    async def open(self) -> SqlStore:
        store = await SqlStore.open_sqlite(self.path, sealer=self.sealer, deadline=timedelta(seconds=0.3))
        await store.digest_keys([None])
        return store

    def age(self, record_id: RecordId, seconds: float) -> None:
        rewound = ", ".join(f"{name} = {name} - :back" for name in _INSTANTS)
        statement = f"UPDATE records SET {rewound}, history = :history WHERE id = :id"  # noqa: S608 - the columns above
        for (told,) in self.execute("SELECT history FROM records WHERE id = :id", id=record_id.digest):
            history = aged(told, seconds)
            self.execute(statement, back=int(seconds * 1000), id=record_id.digest, history=history)

    def sever(self) -> None:
        for table in ("records", "facts", "key_spaces"):
            self.execute(f"ALTER TABLE {table} RENAME TO {table}_lost")

    def execute(self, sql: str, **parameters: object) -> list[Any]:
        """What somebody else does to the file, on a connection of their own."""
        with closing(sqlite3.connect(self.path, isolation_level=None, timeout=5)) as connection:
            # Damage asks no constraint for leave.
            connection.execute("PRAGMA ignore_check_constraints = ON")
            return connection.execute(sql, parameters).fetchall()


def aged(history: str | None, seconds: float) -> str | None:
    """A history whose events came earlier."""
    if history is None:
        return None
    back = timedelta(seconds=seconds)
    return histories.write(replace(event, at=event.at - back) for event in histories.read(history))


# What a server may be silent for: a law must not fail because the disk of its machine has much to do. A server that
# says no is still asked again for a second only.
PATIENCE = timedelta(seconds=10)


class PostgresBackend:
    def __init__(self, server: Server, url: str, sealer: Sealer | None = None) -> None:
        self.server = server
        self.url = url
        self.sealer = sealer

    async def open(self) -> SqlStore:
        database = await open_database(self.url, PATIENCE)
        store = SqlStore(database, sealer=self.sealer, deadline=timedelta(seconds=1), heard_by=PATIENCE)
        await store.digest_keys([None])
        return store

    def age(self, record_id: RecordId, seconds: float) -> None:
        rewound = ", ".join(f"{name} = {name} - $1" for name in _INSTANTS)
        statement = f"UPDATE records SET {rewound}, history = $3 WHERE id = $2"  # noqa: S608 - the columns above
        told = self.server.execute("SELECT history FROM records WHERE id = $1", record_id.digest, url=self.url)
        for row in told:
            history = aged(row["history"], seconds)
            self.server.execute(statement, int(seconds * 1000), record_id.digest, history, url=self.url)

    def sever(self) -> None:
        for table in ("records", "facts", "key_spaces"):
            self.server.execute(f"ALTER TABLE {table} RENAME TO {table}_lost", url=self.url)


class RedisBackend:
    """A Redis that the tests share, emptied; the store gets a user of its own who may do no more than it needs."""

    def __init__(self, server: RedisServer, sealer: Sealer | None = None) -> None:
        server.ask.flushall()
        server.ask.acl_setuser(
            "bench",
            enabled=True,
            reset=True,
            passwords=["+word"],
            keys=["ig:*"],
            channels=["ig:*"],
            commands=GRANTED,
        )
        self.server = server
        self.sealer = sealer
        self.url = f"redis://bench:word@127.0.0.1:{server.port}/0"

    async def open(self) -> RedisStore:
        store = await RedisStore.open(self.url, sealer=self.sealer)
        await store.digest_keys([None])
        return store

    def age(self, record_id: RecordId, seconds: float) -> None:
        rewind(self.server.ask, record_id, int(seconds * 1000))

    def sever(self) -> None:
        self.server.ask.acl_deluser("bench")


class Unhurried(TieredStore):
    """What it writes in front, and nobody waits for, is waited for here: a test's next step finds it done."""

    async def claim(self, claim: Claim) -> Verdict:
        verdict = await super().claim(claim)
        await self._settled_down()
        return verdict

    async def settle(self, grant: Grant, settlement: Settlement) -> Settled | Moved:
        answer = await super().settle(grant, settlement)
        await self._settled_down()
        return answer

    async def _settled_down(self) -> None:
        if self._way.under_way:
            # A front that is cut off takes nothing any more.
            await asyncio.wait(self._way.under_way, timeout=0.1)


class TieredServers:
    """Postgres with a Redis in front at ``front``, which may be cut off meanwhile."""

    def __init__(self, authority: PostgresBackend, redis: RedisServer, front: str) -> None:
        redis.ask.flushall()
        self.authority = authority
        self.redis = redis
        self.front = front

    async def open(self) -> Records:
        store = Unhurried(
            await self.authority.open(), RedisFront.at(self.front, sealer=self.authority.sealer), Ignored(), time
        )
        await store.digest_keys([None])
        return store

    def age(self, record_id: RecordId, seconds: float) -> None:
        self.authority.age(record_id, seconds)
        # As if it had ended by itself, or been evicted.
        self.redis.ask.delete(PREFIX + record_id.digest)

    def sever(self) -> None:
        self.redis.ask.flushall()
        self.authority.sever()


class Ignored:
    """Looks away."""

    def observe(self, observation: Observation) -> None:
        pass


class Bench:
    """A store with its loop, so that laws read as sentences without ``await``."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        self.store = self.run(self.backend.open())
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.run(self.store.close())
        self._runner.close()

    def run(self, awaitable: Awaitable[Result]) -> Result:
        async def outcome() -> Result:
            return await awaitable

        return self._runner.run(outcome())

    def claim(self, claim: Claim) -> Verdict:
        return self.run(self.store.claim(claim))

    def claim_at_once(self, claims: Sequence[Claim]) -> list[Verdict]:
        async def together() -> list[Verdict]:
            return await asyncio.gather(*(self.store.claim(claim) for claim in claims))

        return self.run(together())

    def granted(self, claim: Claim) -> Grant:
        verdict = self.claim(claim)
        assert isinstance(verdict, Granted), verdict
        return verdict.grant

    def settle(self, grant: Grant, settlement: Settlement) -> Settled | Moved:
        return self.run(self.store.settle(grant, settlement))

    def completed(self, claim: Claim, answer: StoredResponse | NotKept) -> Grant:
        grant = self.granted(claim)
        assert isinstance(self.settle(grant, Complete(answer)), Settled)
        return grant

    def forget(self, record_id: RecordId, fence: int) -> Forgotten | Moved | Busy:
        return self.run(self.store.forget(record_id, fence))

    def look(self, record_id: RecordId) -> Record | None:
        return self.run(self.store.look(record_id))

    def sweep(self, limit: int = 1000) -> SweepCounts:
        return self.run(self.store.sweep(limit))

    def age(self, record_id: RecordId, seconds: float) -> None:
        self.backend.age(record_id, seconds)
