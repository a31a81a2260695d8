"""What lists cost a Postgres that holds many records: what they show, and not what is there."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, event

from gateway.protocol.dossier import Cursor, Page, Query, State
from gateway.protocol.model import Recipe, RecordId
from gateway.stores.codec import write_recipe
from gateway.stores.sql import asking, counting, paging
from gateway.stores.sql.postgres import PostgresDatabase
from gateway.stores.sql.store import SqlStore
from tests.postgres import Servers, installed
from tests.stores.backends import SEALER, PostgresBackend

MANY, SHOWN = 100_000, 50

# Completed and expired ones by the ten thousand; of 100 records one is unknown, of 10,000 one in flight. Of ten one has
# a caller of its own; of a hundred one is of a rare route, and half of them are one caller's whose keys are counted.
_FILL = """
INSERT INTO records (id, state, fence, owner, turns_at, forget_at, created_at, since, response_ms, key_ms, unknown_ms,
                     first_sent_at, taken_over, reason, recipe, scope, fingerprint, route, key_id, asks_at, asks_with,
                     head, held_by)
SELECT id, state, 1, id, now - 1000 * n + 500000000, now + 900000000, now - 1000 * n, now - 1000 * n, 500000000,
       1000, 500000000, now, 0, 'reset', CASE WHEN state <> 4 THEN $2::text END, CASE WHEN state <> 4 THEN id END,
       CASE WHEN state <> 4 THEN id END, CASE WHEN n % 100 = 7 THEN 'rare' ELSE 'api' END,
       CASE WHEN n % 10 = 3 THEN sha256(int8send(n % 1000)) END, CASE WHEN state = 3 THEN now - n END,
       CASE WHEN state = 3 THEN id END, CASE WHEN state = 2 THEN id END, CASE WHEN n % 2 = 0 THEN 'shop'::bytea END
FROM (SELECT n, sha256(int4send(n)) AS id, (EXTRACT(EPOCH FROM now()) * 1000)::bigint AS now,
             CASE WHEN n % 10000 = 1 THEN 1 WHEN n % 100 = 2 THEN 3 WHEN n % 500 = 4 THEN 4
                  WHEN n > 60000 THEN 5 ELSE 2 END AS state
      FROM generate_series(1, $1::int) AS n) AS made
"""


@pytest.fixture(scope="module", params=installed())
def backend(request: pytest.FixtureRequest, servers: Servers) -> Iterator[PostgresBackend]:
    server = servers.get(request.param)
    with server.database() as url:
        # Quicker filled, and read the same way.
        server.execute("ALTER TABLE records SET UNLOGGED", url=url)
        server.execute(_FILL, MANY, write_recipe(Recipe()), url=url)
        server.execute("VACUUM ANALYZE records", url=url)
        yield PostgresBackend(server, url, SEALER)


def plans(backend: PostgresBackend, work: Any) -> list[Any]:  # noqa: ANN401 - work on a connection
    """How the server ran each statement of the work, with what it met on its way."""

    def explained(connection: Connection) -> list[Any]:
        seen: list[tuple[str, Any]] = []

        def note(_: object, __: object, statement: str, parameters: Any, *___: object) -> None:  # noqa: ANN401 - any
            seen.append((statement, parameters))

        event.listen(connection, "before_cursor_execute", note)
        work(connection)
        event.remove(connection, "before_cursor_execute", note)
        asked = ((f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters) for statement, parameters in seen)
        answers = [connection.exec_driver_sql(*each).scalar_one() for each in asked]
        return [(json.loads(each) if isinstance(each, str) else each)[0]["Plan"] for each in answers]

    async def scene() -> list[Any]:
        store = await backend.open()
        try:
            database = store._database
            assert isinstance(database, PostgresDatabase)
            return await database.read(explained)
        finally:
            await store.close()

    return asyncio.run(scene())


def nodes(plan: Any) -> Iterator[Any]:  # noqa: ANN401 - JSON
    yield plan
    for each in plan.get("Plans", ()):
        yield from nodes(each)


def met(plan: Any) -> float:  # noqa: ANN401 - JSON
    """Rows that its scans gave or turned away."""
    scans = [each for each in nodes(plan) if "Scan" in each["Node Type"] and each["Node Type"] not in _PASSING_ON]
    return sum(float(each["Actual Loops"] * (each["Actual Rows"] + each.get(_AWAY, 0))) for each in scans)


_PASSING_ON = ("Subquery Scan", "Bitmap Index Scan", "CTE Scan")
_AWAY = "Rows Removed by Filter"


def in_sequence(plan: Any) -> list[Any]:  # noqa: ANN401 - JSON
    return [each for each in nodes(plan) if each["Node Type"] == "Seq Scan"]


MIDDLE = Cursor(datetime.now(UTC) - timedelta(seconds=50_000), RecordId(b"m" * 32))
QUERIES = (
    Query(created_after=MIDDLE.created_at),
    *(Query(state=state, after=after) for state in (None, *State) for after in (None, MIDDLE)),
)


def test_r3_a_page_costs_what_it_shows_however_many_records_there_are(backend: PostgresBackend) -> None:
    def every_page(connection: Connection) -> None:
        for query in QUERIES:
            paging.page(connection, query)

    for query, plan in zip(QUERIES, plans(backend, every_page), strict=True):
        assert in_sequence(plan) == [], query
        assert met(plan) <= 6 * SHOWN, query


def test_r3_a_key_costs_the_records_of_its_callers(backend: PostgresBackend) -> None:
    ((by_caller,),) = backend.server.execute(
        "SELECT key_id FROM records WHERE key_id IS NOT NULL LIMIT 1", url=backend.url
    )
    nobody = RecordId(bytes(32))
    for ids, count in ((frozenset({RecordId(bytes(by_caller)), nobody}), MANY // 1000), (frozenset({nobody}), 0)):
        (plan,) = plans(backend, partial(paging.page, query=Query(ids=ids)))
        assert in_sequence(plan) == []
        assert met(plan) <= count


def test_a_page_of_a_route_looks_at_no_more_than_it_may(backend: PostgresBackend) -> None:
    pages: list[Page] = []

    def page(connection: Connection) -> None:
        pages.append(paging.page(connection, Query(route="rare"), scan=1000, rounds=3))

    found = plans(backend, page)
    assert len(found) == 6
    assert all(in_sequence(plan) == [] and met(plan) <= 4 * 1000 for plan in found)
    assert [entry.route for entry in pages[0].entries] == ["rare"] * 30
    assert pages[0].next is not None


def test_due_work_and_open_calls_cost_what_is_open(backend: PostgresBackend) -> None:
    async def codec() -> Any:  # noqa: ANN401 - the store's own
        store: SqlStore = await backend.open()
        await store.close()
        return store._opened()

    opened = asyncio.run(codec())
    due = partial(asking.due, codec=opened, routes=["api", "rare"], work=timedelta(seconds=9), limit=10)
    lapse, take = plans(backend, due)
    (calls,) = plans(backend, counting.open_calls)
    for plan, most in ((lapse, 10), (take, 50), (calls, MANY // 90)):
        assert in_sequence(plan) == []
        assert met(plan) <= most


def test_h1_counting_a_callers_keys_reads_the_index_of_such_and_nothing_else(backend: PostgresBackend) -> None:
    for holder, number in ((b"shop", MANY // 2), (b"nobody", 0)):
        (plan,) = plans(backend, partial(counting.held, digests=[holder]))
        assert in_sequence(plan) == []
        assert {each.get("Index Name") for each in nodes(plan) if "Scan" in each["Node Type"]} == {"records_by_holder"}
        assert met(plan) <= number
