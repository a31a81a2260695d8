"""The other way to be rid of old answers, as a prototype: in partitions by time, which are dropped as a whole.

A key is unique in the whole table (law 1), and Postgres keeps no unique index across partitions but one that has the
partition key in it. So records cannot be partitioned by time; only their answers can, in a table beside them. That
costs every first call one more row and every replay one more look-up, and the records are swept one by one as before.

Knows both forms in plain SQL, over one driver and in the same batches, so that only the form differs. The columns are
those of the table itself. Refuses to be a store: nothing here is opened or judged.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any

import asyncpg

from gateway.runner.sweeping import BATCH, sweep_once
from gateway.stores.sql.clock import milliseconds
from gateway.stores.sql.store import SqlStore
from gateway.stores.sql.tables import records
from loadtests.calls import PATIENCE, RETENTION, Keys, claim_of, id_of, lasting, timed
from loadtests.compared import ratio_of
from loadtests.growth.filling import fill
from loadtests.growth.speed import Effort
from loadtests.growth.spread import Spread

_WHOLE = [column.name for column in records.columns]
_KEYS = [name for name in _WHOLE if name not in ("head", "body")]
_NOW = "(EXTRACT(EPOCH FROM statement_timestamp()) * 1000)::bigint"

# An answer as large as a real one; nobody opens it.
_HEAD, _BODY = bytes(447), bytes(321)


@dataclass(frozen=True, slots=True)
class Form:
    """Statements for a batch: claims of ids, completions of ids with heads and bodies, replays of ids."""

    claim: str
    complete: str
    replay: str


def _claim(table: str, columns: list[str]) -> str:
    values = ", ".join("given.id" if name == "id" else f"claimed.{name}" for name in columns)
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} "  # noqa: S608 - the columns above
        "FROM unnest($1::bytea[]) AS given(id), claimed ON CONFLICT DO NOTHING"
    )


_DONE = f"state = 2, turns_at = {_NOW} + {milliseconds(RETENTION.response)}"
_GIVEN = "unnest($1::bytea[], $2::bytea[], $3::bytea[]) AS given(id, head, body)"

ONE_TABLE = Form(
    _claim("records", _WHOLE),
    f"UPDATE records AS r SET {_DONE}, head = given.head, body = given.body "  # noqa: S608 - those above
    f"FROM {_GIVEN} WHERE r.id = given.id",
    "SELECT * FROM records WHERE id = ANY($1::bytea[])",
)
SPLIT = Form(
    _claim("keys", _KEYS),
    f"WITH done AS (UPDATE keys AS r SET {_DONE} FROM {_GIVEN} WHERE r.id = given.id "  # noqa: S608 - those above
    "RETURNING r.id, r.turns_at, given.head, given.body) INSERT INTO answers SELECT * FROM done",
    "SELECT * FROM keys JOIN answers USING (id, turns_at) WHERE id = ANY($1::bytea[])",
)

_SPLIT_TABLES = f"""
CREATE TABLE claimed AS SELECT * FROM records WHERE state = 1;
DELETE FROM records WHERE state = 1;
CREATE TABLE keys (LIKE records INCLUDING ALL);
ALTER TABLE keys DROP COLUMN head, DROP COLUMN body;
CREATE TABLE answers (id bytea, turns_at bigint, head bytea, body bytea, PRIMARY KEY (id, turns_at))
  PARTITION BY RANGE (turns_at);
DO $$ DECLARE today bigint := {_NOW}; BEGIN
  EXECUTE format('CREATE TABLE answers_due PARTITION OF answers FOR VALUES FROM (0) TO (%s)', today);
  EXECUTE format('CREATE TABLE answers_kept PARTITION OF answers FOR VALUES FROM (%s) TO (MAXVALUE)', today);
END $$;
INSERT INTO keys SELECT {", ".join(_KEYS)} FROM records;
INSERT INTO answers SELECT id, turns_at, head, body FROM records;
"""  # noqa: S608 - the columns above


async def made(connection: Any, url: str, spread: Spread) -> SqlStore:  # noqa: ANN401 - the driver is untyped
    """Both forms with the same records in them, in one database; and the store over the first."""
    await fill(url, *spread.stretches())
    store = await SqlStore.open_postgres(url, deadline=PATIENCE)
    await store.digest_keys([None])
    await store.claim(claim_of(id_of("claimed", 1)))
    await connection.execute(_SPLIT_TABLES)
    for table in ("records", "keys", "answers"):
        await connection.execute(f"VACUUM (ANALYZE) {table}")
    return store


@dataclass(frozen=True, slots=True)
class Beside:
    """A connection to both forms, and how they are loaded."""

    connection: Any  # the driver is untyped
    spread: Spread
    effort: Effort

    async def first_calls(self, form: Form, keys: Keys) -> float:
        """Claims and completes batches of new keys; calls a second."""
        size, going = self.effort.callers, lasting(self.effort.seconds)

        async def calling() -> None:
            while going():
                ids = [keys.new().digest for _ in range(size)]
                await self.connection.execute(form.claim, ids)
                await self.connection.execute(form.complete, ids, [_HEAD] * size, [_BODY] * size)

        took = await timed(calling())
        return keys.made / took

    async def replays(self, form: Form) -> float:
        """Reads batches of records that are kept; records a second."""
        going, read = lasting(self.effort.seconds), 0

        async def calling() -> None:
            nonlocal read
            while going():
                ids = {self.spread.known().digest for _ in range(self.effort.callers)}
                rows = await self.connection.fetch(form.replay, list(ids))
                assert len(rows) == len(ids)
                read += len(rows)

        took = await timed(calling())
        return read / took

    async def speeds(self) -> list[str]:
        """Both forms in turn, as lines for people."""
        first: dict[Form, list[float]] = {ONE_TABLE: [], SPLIT: []}
        again: dict[Form, list[float]] = {ONE_TABLE: [], SPLIT: []}
        for number in range(self.effort.rounds):
            for form in (ONE_TABLE, SPLIT):
                await self.connection.execute("CHECKPOINT")
                first[form].append(await self.first_calls(form, Keys(f"{number}")))
                again[form].append(await self.replays(form))
        named = f"batches of {self.effort.callers}"
        return [
            f"{'':34}{'one table':>10}{'split':>10}{'ratio':>8}{'spread':>14}",
            *(
                f"{name:34}{median(of[ONE_TABLE]):>10,.0f}{median(of[SPLIT]):>10,.0f}"
                f"{ratio_of(of[ONE_TABLE], of[SPLIT])}"
                for name, of in ((f"first calls/s, {named}", first), (f"replays/s, {named}", again))
            ),
        ]

    async def removal(self, store: SqlStore) -> str:
        """Drops the partition of the answers that are due, and sweeps the table that holds the same; for people."""
        dropped = await timed(self.connection.execute("DROP TABLE answers_due"))
        begun = perf_counter()
        counts = await sweep_once(store)
        swept = perf_counter() - begun
        assert counts == self.spread.to_sweep, f"{counts} swept of {self.spread.to_sweep}"
        return (
            f"a partition of {counts.answers_expired:,} answers is dropped in {1000 * dropped:,.0f} ms; "
            f"the same are swept in {swept:,.1f} s, {counts.total / swept:,.0f} rows/s in batches of {BATCH}, "
            f"{counts.forgotten:,} forgotten records among them, which are swept in either form"
        )


async def compared(url: str, spread: Spread, effort: Effort) -> AsyncGenerator[str]:
    """The whole comparison, as lines for people that come as they are found."""
    yield f"answers in partitions, a prototype beside the one table, {spread.count:,} records in each"
    connection = await asyncpg.connect(url)
    try:
        store = await made(connection, url, spread)
        try:
            beside = Beside(connection, spread, effort)
            for line in await beside.speeds():
                yield line
            yield await beside.removal(store)
        finally:
            await store.close()
    finally:
        await connection.close()
