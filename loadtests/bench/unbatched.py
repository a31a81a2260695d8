"""Claims and completions on asyncpg as one writes them first: a statement and a commit each, on a pool of connections.

``python -m loadtests.bench.unbatched`` is the gateway's command with such a store in the place of its Postgres store;
everything else is the gateway's, so that what differs between the two is the store. It has a table of its own, keeps
answers in the gateway's form, and knows neither takeover nor the passing of time: it is there to be measured.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import asyncpg

import gateway.wiring.stores
from gateway.__main__ import main
from gateway.protocol.model import (
    Busy,
    Claim,
    Complete,
    Grant,
    Granted,
    Mismatch,
    Moved,
    Replay,
    Settled,
    Settlement,
    StoredResponse,
    Verdict,
)
from gateway.stores.batching import Meter
from gateway.stores.sealing import Sealer
from gateway.stores.sql.store import DEADLINE, SqlStore

CONNECTIONS = 20

_TABLE = """CREATE TABLE IF NOT EXISTS unbatched
            (id bytea PRIMARY KEY, owner bytea NOT NULL, request bytea NOT NULL, head bytea, body bytea)"""
_CLAIM = "INSERT INTO unbatched (id, owner, request) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING true"
_LOOK = "SELECT request, head, body FROM unbatched WHERE id = $1"
_COMPLETE = "UPDATE unbatched SET head = $3, body = $4 WHERE id = $1 AND owner = $2 AND head IS NULL RETURNING true"


class Unbatched(SqlStore):
    """That store."""

    _pool: Any

    @classmethod
    async def open_postgres(
        cls, url: str, *, sealer: Sealer | None = None, deadline: timedelta = DEADLINE, meter: Meter | None = None
    ) -> Self:
        """The database at ``url``, with the table that is needed; ``meter`` has no batches to hear of."""
        store = await super().open_postgres(url, sealer=sealer, deadline=deadline, meter=meter)
        await store.use(await asyncpg.create_pool(url, min_size=CONNECTIONS, max_size=CONNECTIONS))
        return store

    async def use(self, pool: Any) -> None:  # noqa: ANN401 - the driver is untyped
        """Takes these connections for claims and completions."""
        self._pool = pool
        await pool.execute(_TABLE)

    async def claim(self, claim: Claim) -> Verdict:
        """One statement for a new key, two for a known one."""
        identity = claim.identity
        digest, request = claim.id.digest, identity.scope + identity.fingerprint
        if await self._pool.fetchval(_CLAIM, digest, claim.owner, request):
            return Granted(Grant(claim.id, 1, claim.owner, claim.retention))
        known: Sequence[bytes | None] = await self._pool.fetchrow(_LOOK, digest)
        if known[0] != request:
            return Mismatch()
        if known[1] is None:
            return Busy(timedelta(), claim.lease)
        answer = self._opened().decode(claim.id, 1, known[1], known[2])
        assert isinstance(answer, StoredResponse)
        return Replay(answer, datetime.now(UTC) + claim.retention.response)

    async def settle(self, grant: Grant, settlement: Settlement) -> Settled | Moved:
        """One statement."""
        assert isinstance(settlement, Complete), "what is measured is answered"
        kept = self._opened().encode(grant.id, grant.fence, settlement.answer)
        done = await self._pool.fetchval(_COMPLETE, grant.id.digest, grant.owner, kept.head, kept.body)
        return Settled(datetime.now(UTC) + grant.retention.response) if done else Moved()


if __name__ == "__main__":
    # The composition root has no choice for what nobody should choose.
    setattr(gateway.wiring.stores, "SqlStore", Unbatched)  # noqa: B010 - a class is no variable to type checkers
    main()
