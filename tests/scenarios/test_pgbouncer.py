"""Gateways on a Postgres behind PgBouncer in transaction mode, which shares few connections and may be gone."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from gateway.stores.sql.tables import State
from tests.pgbouncer import POOL, Bouncer, bouncing
from tests.postgres import Server
from tests.process import run
from tests.redis_servers import eventually
from tests.scenarios.fleet import Fleet
from tests.scenarios.test_tiered import LOST
from tests.scenarios.tiers import BUSY, states
from tests.upstream import Upstream


@pytest.fixture
def bouncer(postgres: Server, tmp_path: Path) -> Iterator[Bouncer]:
    (tmp_path / "bouncer").mkdir()
    with bouncing(postgres, tmp_path / "bouncer") as running:
        yield running


def test_two_gateways_behind_a_bouncer_migrate_at_once_and_execute_each_key_once(
    upstream: Upstream, postgres: Server, bouncer: Bouncer, tmp_path: Path
) -> None:
    with postgres.database(template="template1") as direct, ThreadPoolExecutor(40) as pool:
        url = bouncer.url(direct)
        migrate = partial(run, "migrate", "--store", url, folder=tmp_path)
        assert [each.returncode for each in pool.map(lambda _: migrate(), range(2))] == [0, 0]
        assert migrate("--check").returncode == 0
        with Fleet(upstream, tmp_path, url, url) as fleet:
            for number in range(10):
                told = Counter(each.told for each in pool.map(partial(fleet.ask, f"{number}"), range(40)))
                assert told["201 executed"] == upstream.count(f"{number}") == 1
                assert told.keys() <= {"201 executed", "201 replayed", BUSY}
            keys = [f"apart-{number}" for number in range(40)]
            assert {each.told for each in pool.map(fleet.ask, keys)} == {"201 executed"}
            sessions = (
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            ((shared,),) = postgres.execute(sessions, url=direct)
            assert 1 < shared <= POOL, "they share few connections, or this shows nothing"
        assert states(postgres, direct) == {State.COMPLETED: len(upstream.log)}
    assert set(Counter(logged.key for logged in upstream.log).values()) == {1}


def test_a_bouncer_that_is_killed_costs_new_keys_a_503_until_it_is_back(
    upstream: Upstream, database: str, bouncer: Bouncer, tmp_path: Path
) -> None:
    with Fleet(upstream, tmp_path, bouncer.url(database)) as fleet:
        kept = fleet.ask("kept").body
        bouncer.kill()
        assert [fleet.ask(key).told for key in ("kept", "new")] == [LOST] * 2
        assert fleet.ready().status == 503
        bouncer.start()
        eventually(lambda: fleet.ready().status == 200)
        again = fleet.ask("kept")
        assert (again.told, again.body) == ("201 replayed", kept)
        assert fleet.ask("new").told == "201 executed"
    assert Counter(logged.key for logged in upstream.log) == {"kept": 1, "new": 1}
