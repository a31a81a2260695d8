"""``migrate`` by its phases, as an operator runs it, and ``serve`` of this version on schemas of others."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.stores.sql.phase import Phase
from gateway.stores.sql.tables import HEAD
from tests.postgres import Servers, on
from tests.process import anywhere, run, serving
from tests.stage import call
from tests.stores.releases import FilePlace, Place, Releases, ServerPlace
from tests.upstream import Upstream

KEY = ("Idempotency-Key", "k")
BEFORE, AFTER = ("--phase", "before"), ("--phase", "after")


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Iterator[Place]:
    """An empty database."""
    if request.param == "sqlite":
        yield FilePlace(tmp_path / "store.db")
        return
    with servers.get().database(template="template1") as url:
        yield ServerPlace(url)


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    return Releases.made_in(tmp_path)


def migrated(place: Place, folder: Path, *options: str, code: int = 0) -> str:
    """What ``migrate`` tells in its one sentence, less the store's name in front."""
    ended = run("migrate", "--store", place.url, *options, folder=folder)
    assert ended.returncode == code, ended
    (said,) = (ended.stdout + ended.stderr).splitlines()
    return said.partition(": ")[2]


def test_a_new_schema_is_made_whole_by_before_which_may_be_repeated(place: Place, tmp_path: Path) -> None:
    assert migrated(place, tmp_path, "--check", *BEFORE, code=1) == "the schema is absent."
    for phase in (BEFORE, BEFORE, AFTER):
        assert migrated(place, tmp_path, *phase) == f"the schema is at revision {HEAD}."
    assert migrated(place, tmp_path, "--check", *AFTER) == "the schema is current."


def test_after_is_refused_where_there_is_no_schema_with_the_command_that_makes_it(place: Place, tmp_path: Path) -> None:
    assert migrated(place, tmp_path, *AFTER, code=2).endswith(f"run `idempotency-gateway migrate --store {place.url}`")
    assert migrated(place, tmp_path, "--check", code=1) == "the schema is absent."


def test_this_version_serves_on_what_a_newer_one_added_and_not_where_it_took_something_away(
    place: Place, releases: Releases, upstream: Upstream, tmp_path: Path
) -> None:
    place.migrate(releases.first)
    place.migrate(releases.second, Phase.BEFORE)
    assert migrated(place, tmp_path, "--check") == "the schema is newer."
    told = migrated(place, tmp_path, *BEFORE)
    assert told == "the schema is at revision 9002 of a newer version, and this one may still use it."
    with serving(*anywhere(upstream.port), "--store", place.url, folder=tmp_path) as served:
        for said in ("201 executed", "201 replayed"):
            assert call(served.port, "POST", "/charges", [KEY], b"{}").told == said
        assert served.stop() == 0
    place.migrate(releases.second, Phase.AFTER)
    sentence = "is newer than this gateway and no longer has what this version needs: start the version that migrated"
    for option in (BEFORE, ("--check",)):
        assert sentence in migrated(place, tmp_path, *option, code=2)
    ended = run("serve", *anywhere(9), "--store", place.url, folder=tmp_path)
    assert (ended.returncode, ended.stdout, len(ended.stderr.splitlines())) == (2, "", 1)
    assert sentence in ended.stderr


def test_a_phase_that_there_is_not_is_refused(tmp_path: Path) -> None:
    ended = run("migrate", "--store", "sqlite:///x.db", "--phase", "during", folder=tmp_path)
    assert ended.returncode == 2
    assert "'before', 'after'" in ended.stderr
    assert not (tmp_path / "x.db").exists()


def test_a_table_that_somebody_is_at_is_one_sentence_and_the_command_may_be_repeated(
    servers: Servers, tmp_path: Path
) -> None:
    with servers.get().database(template="template1") as url:
        empty = ServerPlace(url)

        async def scenario(somebody: Any) -> None:  # noqa: ANN401 - the driver is untyped
            transaction = somebody.transaction()
            await transaction.start()
            await somebody.execute("CREATE TABLE records (id int)")
            told = await asyncio.to_thread(lambda: migrated(empty, tmp_path, code=1))
            assert "nothing was changed; run this again when that transaction is over" in told
            await transaction.rollback()

        asyncio.run(on(url, scenario))
        assert migrated(empty, tmp_path, "--check", code=1) == "the schema is absent."
        assert migrated(empty, tmp_path) == f"the schema is at revision {HEAD}."
