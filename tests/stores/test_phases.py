"""Laws of migrations beside running gateways: who may serve on which schema, and what each phase runs."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from gateway.errors import StoreUnfit
from gateway.protocol.model import Busy, Complete, Granted, Replay, Settled
from gateway.stores.sql.chain import Chain
from gateway.stores.sql.phase import Phase
from gateway.stores.sql.revisions import Schema, SchemaState
from gateway.stores.sql.store import SqlStore
from tests.postgres import Servers, installed
from tests.stores.releases import FilePlace, Place, Releases, ServerPlace
from tests.stores.requests import ANSWER, claim, record_id

BEFORE, AFTER = Phase.BEFORE, Phase.AFTER
_, BEHIND, UNFINISHED, CURRENT, NEWER, AHEAD = SchemaState


@pytest.fixture(scope="session")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Releases:
    return Releases.made_in(tmp_path_factory.mktemp("releases"))


@pytest.fixture(params=["sqlite", *installed()])
def place(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Iterator[Place]:
    """An empty database."""
    if request.param == "sqlite":
        yield FilePlace(tmp_path / "store.db")
        return
    with servers.get(request.param).database(template="template1") as url:
        yield ServerPlace(url)


def said_of(place: Place, chain: Chain) -> str:
    """Why a gateway of a version does not start."""
    with pytest.raises(StoreUnfit) as refused:
        asyncio.run(place.open(chain))
    return str(refused.value)


def refusal(place: Place, chain: Chain, phase: Phase) -> str:
    """Why a phase does not run; it has changed nothing."""
    before = place.state(chain)
    with pytest.raises(StoreUnfit) as refused:
        place.migrate(chain, phase)
    assert place.state(chain) is before
    return str(refused.value)


async def exchange(granting: SqlStore, repeating: SqlStore, key: str) -> None:
    """A call through one gateway, whose duplicates come to another one: in flight, and when it is over."""
    granted = await granting.claim(claim(key))
    assert isinstance(granted, Granted)
    assert isinstance(await repeating.claim(claim(key)), Busy)
    assert isinstance(await granting.settle(granted.grant, Complete(ANSWER)), Settled)
    assert isinstance(await repeating.claim(claim(key)), Replay)
    assert await repeating.look(record_id(key)) == await granting.look(record_id(key))
    await granting.sweep(100)


def serve_together(place: Place, one: Chain, other: Chain) -> None:
    """Gateways of two versions start, and each guards what comes through the other one."""

    async def scenario() -> None:
        async with AsyncExitStack() as opened:
            first, second = [await place.open(chain) for chain in (one, other)]
            for store in (first, second):
                opened.push_async_callback(store.close)
            await exchange(first, second, "there")
            await exchange(second, first, "back")

    asyncio.run(scenario())


# Who may serve


def test_old_and_new_gateways_start_and_serve_together_between_before_and_after(
    place: Place, releases: Releases
) -> None:
    place.migrate(releases.first)
    assert place.migrate(releases.second, BEFORE) == Schema(UNFINISHED, "9002")
    assert place.state(releases.first) is NEWER
    serve_together(place, releases.first, releases.second)


def test_no_old_gateway_starts_when_what_it_needs_is_gone_and_the_new_one_does(
    place: Place, releases: Releases
) -> None:
    place.migrate(releases.first)
    place.migrate(releases.second, BEFORE)
    assert place.migrate(releases.second, AFTER) == Schema(CURRENT, "9003")
    assert place.state(releases.first) is AHEAD
    assert "newer than this gateway and no longer has what this version needs" in said_of(place, releases.first)
    for phase in (None, BEFORE, AFTER):
        with pytest.raises(StoreUnfit, match="newer than this gateway"):
            place.migrate(releases.first, phase)
    serve_together(place, releases.second, releases.second)


def test_the_next_release_is_served_beside_the_one_that_it_replaces_and_not_beside_those_before(
    place: Place, releases: Releases
) -> None:
    place.migrate(releases.second)
    assert place.migrate(releases.third, BEFORE) == Schema(CURRENT, "9004")
    assert [place.state(chain) for chain in (releases.first, releases.second)] == [AHEAD, NEWER]
    serve_together(place, releases.second, releases.third)


def test_no_new_gateway_starts_without_what_it_needs_and_it_says_the_command(place: Place, releases: Releases) -> None:
    place.migrate(releases.first)
    said = said_of(place, releases.second)
    option = " --phase before" if isinstance(place, ServerPlace) else ""
    assert said.endswith(f"older than this gateway: run `idempotency-gateway migrate --store {place.url}{option}`")
    place.migrate(releases.second, BEFORE)
    place.migrate(releases.second, AFTER)
    assert place.state(releases.third) is BEHIND
    assert "older than this gateway" in said_of(place, releases.third)


def test_the_oldest_gateway_that_may_serve_is_the_one_that_made_a_new_schema(place: Place, releases: Releases) -> None:
    assert place.migrate(releases.third, BEFORE) == Schema(CURRENT, "9004")
    assert [place.state(chain) for chain in (releases.first, releases.second)] == [AHEAD, NEWER]


# What a phase runs


@pytest.mark.parametrize("phase", [None, BEFORE, AFTER])
def test_an_old_migration_of_a_schema_that_it_may_still_use_finds_nothing_to_do(
    place: Place, releases: Releases, phase: Phase | None
) -> None:
    place.migrate(releases.first)
    place.migrate(releases.second, BEFORE)
    assert place.migrate(releases.first, phase) == Schema(NEWER, "9002")
    assert place.state(releases.second) is UNFINISHED


@pytest.mark.parametrize("phase", [None, BEFORE, AFTER])
def test_a_phase_may_be_repeated(place: Place, releases: Releases, phase: Phase | None) -> None:
    place.migrate(releases.first)
    place.migrate(releases.second, BEFORE)
    once = place.migrate(releases.second, phase)
    assert place.migrate(releases.second, phase) == once


def test_before_does_not_skip_a_version_and_its_roll_out(place: Place, releases: Releases) -> None:
    place.migrate(releases.first)
    assert refusal(place, releases.third, BEFORE) == (
        "a version was skipped: revision 9003 takes away what the gateways that run now may need; roll out the version "
        f"that it came with first, to its end, or stop every gateway and run `idempotency-gateway migrate --store "
        f"{place.url}`"
    )
    assert place.migrate(releases.third) == Schema(CURRENT, "9004")
    serve_together(place, releases.third, releases.third)


def test_before_demands_the_end_of_the_roll_out_before_and_the_new_version_can_bring_it(
    place: Place, releases: Releases
) -> None:
    place.migrate(releases.first)
    place.migrate(releases.second, BEFORE)
    command = f"`idempotency-gateway migrate --store {place.url} --phase after`"
    assert refusal(place, releases.third, BEFORE) == (
        "the roll-out before this one has no end yet: when no gateway is left that is older than the schema, run "
        f"{command} for revision 9003, and then this again"
    )
    assert place.migrate(releases.third, AFTER) == Schema(BEHIND, "9003")
    serve_together(place, releases.second, releases.second)
    assert place.migrate(releases.third, BEFORE) == Schema(CURRENT, "9004")


def test_after_does_not_run_before(place: Place, releases: Releases) -> None:
    assert refusal(place, releases.second, AFTER).endswith(f"run `idempotency-gateway migrate --store {place.url}`")
    place.migrate(releases.first)
    assert refusal(place, releases.second, AFTER) == (
        "revision 9002 is missing and runs before the roll-out, which cannot be over: run `idempotency-gateway migrate "
        f"--store {place.url} --phase before`"
    )
