"""Redis in front of another authority: ``ports.Front`` over one line to one server.

Knows a few commands and small scripts, each one trip, and asks none of them twice. Refuses to grant anything: a copy
that is not there, does not open, or cannot be reached in time is the authority's to tell. So this Redis may evict,
forget, be flushed or be restored from an old dump.

A copy's time to live is the instant at which its answer is no longer replayed (``PXAT``, by this server's clock). A
marker outlives the copy that it stands for. An evicting server may lose it first: then a copy could come back that was
on its way all that time, from a gateway that was paused in the middle of writing it.
"""

import asyncio
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Self

from gateway.errors import StoreUnavailable
from gateway.ports import Hint
from gateway.protocol.fingerprint import Digester
from gateway.protocol.model import Completed, RecordId
from gateway.stores.large import aside, size_of
from gateway.stores.redis import role, scripts
from gateway.stores.redis.address import Address, address_of
from gateway.stores.redis.connecting import connect
from gateway.stores.redis.copies import LONGEST_BEGINNING, Copies
from gateway.stores.redis.fitness import facts_of
from gateway.stores.redis.layout import milliseconds, since_1970
from gateway.stores.redis.line import Lines, Reply
from gateway.stores.redis.trips import run
from gateway.stores.sealing import Sealer

PREFIX = b"ig:copy:"

# For an answer on the line, connecting included; whoever looks before a call bounds that far closer.
PATIENCE = timedelta(seconds=1)

# The last one tells which server this is.
_PREPARE = (*(("SCRIPT", "LOAD", script.text) for script in scripts.OF_FRONT), ("INFO", "server"))


class RedisFront:
    """``ports.Front`` in a Redis. ``join`` comes first: its secret opens the copies, and names the authority."""

    def __init__(self, address: Address, *, sealer: Sealer | None = None, patience: timedelta = PATIENCE) -> None:
        self._lines = Lines(partial(connect, address), _PREPARE, patience.total_seconds(), self._met)
        self._sealer = sealer
        self._copies: Copies | None = None
        self._incarnation: str | None = None

    @classmethod
    def at(cls, url: str, *, sealer: Sealer | None = None) -> Self:
        """The front at a URL (``address.address_of``); nothing is asked of it yet."""
        return cls(address_of(url), sealer=sealer)

    @property
    def incarnation(self) -> str | None:
        """Law F6: a process of the server, for each has an id of its own."""
        return self._incarnation

    async def join(self, digester: Digester, *, accept_change: bool = False) -> None:
        """Marks this Redis as the front of the authority that has these secrets, or finds it marked so."""
        authority, *others = (each.subkey("authority-id")[:8].hex() for each in digester.all)
        await role.as_front(self._lines.ask, authority, others, accept_change=accept_change)
        self._copies = Copies.of(digester, self._sealer)

    async def recall(self, record_id: RecordId) -> Completed | Hint | None:
        """Law F1, in one trip."""
        copies = self._joined()
        text: bytes | None = await self._lines.ask("GET", PREFIX + record_id.digest)
        return None if text is None else await aside(len(text), lambda: copies.read(record_id, text))

    async def keep(self, record: Completed) -> None:
        """Laws F3 and F5, in one trip."""
        copies, until = self._joined(), since_1970(record.replay_until)
        gone = copies.marker(record.id)
        text = await aside(size_of(record.answer), lambda: copies.write_completed(record))
        await run(self._lines.ask, scripts.KEEP, PREFIX + record.id.digest, gone, text, until)

    async def hint(self, record_id: RecordId, hint: Hint, lifetime: timedelta) -> None:
        """Law F2, in one trip."""
        text = self._joined().write_hint(record_id, hint)
        await self._lines.ask("SET", PREFIX + record_id.digest, text, "NX", "PX", max(1, milliseconds(lifetime)))

    async def drop(self, record_id: RecordId) -> None:
        """Law F5, in one trip."""
        await run(self._lines.ask, scripts.DROP, PREFIX + record_id.digest, self._joined().marker(record_id))

    async def drop_older(self, ids: Sequence[RecordId]) -> None:
        """Law F7, in two trips."""
        copies = self._joined()
        begins = await asyncio.gather(
            *(self._lines.ask("GETRANGE", PREFIX + each.digest, 0, LONGEST_BEGINNING - 1) for each in ids)
        )
        older = (record_id for record_id, text in zip(ids, begins, strict=True) if copies.is_older(text))
        await asyncio.gather(*map(self.drop, older))

    async def erase(self, record_id: RecordId, until: datetime) -> None:
        """Law F5, in one trip."""
        gone = self._joined().marker(record_id)
        await run(self._lines.ask, scripts.ERASE, PREFIX + record_id.digest, gone, since_1970(until))

    async def ping(self) -> None:
        """Whether it answers."""
        await self._lines.ask("PING")

    async def close(self) -> None:
        """Afterwards nothing is answered."""
        await self._lines.close()

    def _met(self, prepared: Sequence[Reply]) -> None:
        self._incarnation = incarnation_of(prepared[-1])

    def _joined(self) -> Copies:
        if self._copies is None:
            raise StoreUnavailable("the front has not joined its authority yet, without whose secret no copy opens")
        return self._copies


def incarnation_of(info: bytes) -> str:
    """A server's process by what it says of itself; one that does not tell its id is another at each connection."""
    return facts_of(info).get("run_id") or secrets.token_hex(20)
