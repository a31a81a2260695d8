"""What the records of a Postgres take on the disk: the table, what lies beside it (TOAST), each index.

Knows the server's own figures. Refuses to know what is in the table.
"""

from dataclasses import dataclass
from typing import Any

from gateway.stores.sql.tables import records
from loadtests.servers import ended
from tests.postgres import Server, on

# The table, its TOAST with the index of that, and each index, by name.
_SIZES = """
SELECT 'table' AS name, pg_relation_size(oid) AS bytes FROM pg_class WHERE oid = $1::regclass
UNION ALL
SELECT 'TOAST', pg_total_relation_size(reltoastrelid) FROM pg_class WHERE oid = $1::regclass AND reltoastrelid <> 0
UNION ALL
SELECT indexrelid::regclass::text, pg_relation_size(indexrelid) FROM pg_index WHERE indrelid = $1::regclass
"""
_DEAD = "SELECT n_dead_tup FROM pg_stat_all_tables WHERE relid = $1::regclass"


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes by part, and rows that are dead and still there, by the server's own estimate."""

    when: str
    parts: dict[str, int]
    dead: int

    @property
    def total(self) -> int:
        """All parts together."""
        return sum(self.parts.values())


async def sizes(server: Server, url: str, when: str) -> Sizes:
    """The sizes as they are, once everybody has counted what is dead."""
    await ended(server, url)

    async def asked(connection: Any) -> Sizes:  # noqa: ANN401 - the driver is untyped
        rows = await connection.fetch(_SIZES, records.name)
        dead = await connection.fetchval(_DEAD, records.name)
        return Sizes(when, {row["name"]: row["bytes"] for row in rows}, dead)

    return await on(url, asked)


def table(found: list[Sizes], count: int) -> list[str]:
    """Lines for people: MB, after the first of which there were ``count`` records and nothing else."""
    names = list(found[0].parts)
    lines = [f"{'MB':34}{''.join(f'{name:>21}' for name in names)}{'all':>9}{'dead rows':>12}"]
    for each in found:
        parts = "".join(f"{each.parts[name] / 1e6:>21,.1f}" for name in names)
        lines.append(f"{each.when:34}{parts}{each.total / 1e6:>9,.1f}{each.dead:>12,}")
    parts = "".join(f"{found[0].parts[name] / count:>21,.0f}" for name in names)
    return [*lines, f"{'bytes a record, as filled':34}{parts}{found[0].total / count:>9,.0f}"]
