"""Fills a Postgres store with completed records, by the million in minutes.

Knows how to repeat a row that the store itself wrote: under another id, at another age, its answer encoded for that id
by the store's own codec, so that every one of them opens. All other columns are the store's, whichever they are.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.protocol.model import RecordId
from gateway.stores.codec import Codec
from gateway.stores.sql.clock import milliseconds
from gateway.stores.sql.store import SqlStore
from gateway.stores.sql.tables import records
from loadtests.calls import ANSWER, PATIENCE, claim_of, first_call, id_of
from loadtests.growth.spread import Stretch, record_of
from tests.postgres import on

# Rows in one COPY, which is one commit.
_AT_ONCE = 100_000

_COLUMNS = [column.name for column in records.columns]

# The instants of a completed row; the others of its columns say the same at every age.
_INSTANTS = ("created_at", "turns_at", "forget_at")


@dataclass(frozen=True, slots=True)
class Template:
    """A completed row as the store wrote it, and the codec that binds answers to ids."""

    row: Mapping[str, Any]
    codec: Codec

    def rows(self, stretch: Stretch) -> Iterator[tuple[Any, ...]]:
        """The rows of a stretch, columns in the order of the table."""
        values = [self.row[name] for name in _COLUMNS]
        at = {name: index for index, name in enumerate(_COLUMNS)}
        instants = [(at[name], self.row[name]) for name in _INSTANTS]
        for number, age in stretch.ages():
            record_id = record_of(number)
            answer = self.codec.encode(record_id, self.row["fence"], ANSWER)
            values[at["id"]], values[at["head"]], values[at["body"]] = record_id.digest, answer.head, answer.body
            back = milliseconds(age)
            for index, written in instants:
                values[index] = written - back
            yield tuple(values)


async def template_of(url: str) -> Template:
    """What the store at ``url`` makes of a first call; the record is removed again."""
    store = await SqlStore.open_postgres(url, deadline=PATIENCE)
    try:
        digester = await store.digest_keys([None])
        record_id = id_of("template", 0)
        await first_call(store, claim_of(record_id))
    finally:
        await store.close()
    return Template(await on(url, lambda connection: _taken(connection, record_id)), Codec.of(digester))


async def _taken(connection: Any, record_id: RecordId) -> Mapping[str, Any]:  # noqa: ANN401 - the driver is untyped
    return dict(await connection.fetchrow("DELETE FROM records WHERE id = $1 RETURNING *", record_id.digest))


async def fill(url: str, *stretches: Stretch) -> None:
    """Writes the rows of the stretches, in their order."""
    template = await template_of(url)

    async def copy(connection: Any) -> None:  # noqa: ANN401 - the driver is untyped
        for stretch in stretches:
            for part in stretch.parts(_AT_ONCE):
                await connection.copy_records_to_table(records.name, records=template.rows(part), columns=_COLUMNS)

    await on(url, copy)
