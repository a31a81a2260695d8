"""Three releases of the gateway: this one, and two to come, whose revisions are made up; and databases to migrate."""

import asyncio
import shutil
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol, Self

from gateway.stores.sql import postgres, schema, sqlite
from gateway.stores.sql.chain import OWN, Chain
from gateway.stores.sql.phase import Phase
from gateway.stores.sql.revisions import Schema, SchemaState
from gateway.stores.sql.store import SqlStore

_MADE_UP = Path(__file__).parent / "made_up"
# Patient, for a test must not fail because its machine has much to do.
_DEADLINE = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Releases:
    """What each of three versions knows: ``second`` adds 9002 (before) and 9003 (after), ``third`` 9004 (before)."""

    second: Chain
    third: Chain
    first: Chain = OWN

    @classmethod
    def made_in(cls, folder: Path) -> Self:
        return cls(_release(folder / "second", "9003"), _release(folder / "third", "9004"))


def _release(folder: Path, head: str) -> Chain:
    shutil.copytree(OWN.place, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for module in _MADE_UP.glob("r*.py"):
        if module.name[1:5] <= head:
            shutil.copy(module, folder / "versions")
    return Chain(folder, head)


class Place(Protocol):
    """A database, and what each version does with it."""

    url: str

    def migrate(self, chain: Chain, phase: Phase | None = None) -> Schema: ...

    def state(self, chain: Chain) -> SchemaState: ...

    async def open(self, chain: Chain) -> SqlStore: ...


class FilePlace:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"sqlite:///{path}"

    def migrate(self, chain: Chain, phase: Phase | None = None) -> Schema:
        return schema.migrate(self.path, phase, chain)

    def state(self, chain: Chain) -> SchemaState:
        return schema.schema_state(self.path, chain)

    async def open(self, chain: Chain) -> SqlStore:
        return await _asked(SqlStore(await sqlite.open_database(self.path, _DEADLINE, chain), deadline=_DEADLINE))


class ServerPlace:
    def __init__(self, url: str) -> None:
        self.url = url

    def migrate(self, chain: Chain, phase: Phase | None = None) -> Schema:
        return asyncio.run(postgres.migrate(self.url, phase, chain))

    def state(self, chain: Chain) -> SchemaState:
        return asyncio.run(postgres.schema_state(self.url, chain))

    async def open(self, chain: Chain) -> SqlStore:
        return await _asked(SqlStore(await postgres.open_database(self.url, _DEADLINE, chain), deadline=_DEADLINE))


async def _asked(store: SqlStore) -> SqlStore:
    await store.digest_keys([None])
    return store
