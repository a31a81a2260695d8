"""A grant that nobody heard of in time is taken back when the store can tell: no key stays in flight for nothing."""

import asyncio
from dataclasses import replace

from gateway.policies.policy import Policy
from gateway.protocol.model import Granted, InFlight, Release, Released
from gateway.protocol.terms import OnStoreDown, Terms
from tests.protocol.samples import ID
from tests.runner.fakes import ToldAnswer, World, errand
from tests.runner.test_exchanges import in_world, said


async def told_that_nothing_was_sent(world: World) -> None:
    world.store.claims_unheard = True
    assert said(await world.exchanges.begin(errand()).reply) == "503 unavailable"
    assert isinstance(await world.store.look(ID), InFlight)


def test_a_grant_that_was_not_heard_of_is_released_unused_and_counted_and_the_next_call_is_sent() -> None:
    async def scenario(world: World) -> None:
        await told_that_nothing_was_sent(world)
        world.store.claims_unheard = False
        await world.seen.until("GrantTakenBack")
        assert isinstance(await world.store.look(ID), Released)
        assert world.upstream.sent == []
        world.upstream.outcome.set_result(ToldAnswer())
        assert said(await world.exchanges.begin(errand(owner=b"r" * 16)).reply) == "201 executed"

    in_world(scenario)


def test_a_claim_that_certainly_was_not_granted_is_not_asked_for_again() -> None:
    async def scenario(world: World) -> None:
        world.store.claims_fail = True
        assert said(await world.exchanges.begin(errand()).reply) == "503 unavailable"
        world.store.claims_fail = False
        await world.exchanges.drain(10)
        assert await world.store.look(ID) is None

    in_world(scenario)


def test_the_grant_of_a_call_that_is_sent_unguarded_instead_is_not_taken_back() -> None:
    async def scenario(world: World) -> None:
        world.store.claims_unheard = True
        world.upstream.outcome.set_result(ToldAnswer())
        passing = Policy(namespace="n", terms=Terms(on_store_down=OnStoreDown.PASS))
        assert said(await world.exchanges.begin(errand(policy=passing)).reply) == "201 unguarded"
        world.store.claims_unheard = False
        await world.exchanges.drain(10)
        assert isinstance(await world.store.look(ID), InFlight)

    in_world(scenario)


def test_the_grant_of_another_call_is_left_alone() -> None:
    async def scenario(world: World) -> None:
        await told_that_nothing_was_sent(world)
        world.store.claims_unheard = False
        first = errand().claim
        verdict = await world.store.claim(first)
        assert isinstance(verdict, Granted)
        await world.store.settle(verdict.grant, Release())
        other = await world.store.claim(replace(first, owner=b"r" * 16))
        assert isinstance(other, Granted)
        await world.exchanges.drain(10)
        record = await world.store.look(ID)
        assert isinstance(record, InFlight)
        assert record.owner == other.grant.owner
        assert "GrantTakenBack" not in world.seen.kinds()

    in_world(scenario)


def test_a_settlement_that_fails_is_tried_again_until_the_grant_is_released() -> None:
    async def scenario(world: World) -> None:
        await told_that_nothing_was_sent(world)
        world.store.claims_unheard = False
        world.store.settlements_fail = True
        await world.store.settlement_failed.wait()
        world.store.settlements_fail = False
        await world.seen.until("GrantTakenBack")
        assert isinstance(await world.store.look(ID), Released)

    in_world(scenario)


def test_a_store_that_never_tells_does_not_hold_up_the_end() -> None:
    async def scenario(world: World) -> None:
        await told_that_nothing_was_sent(world)
        async with asyncio.timeout(5):
            await world.exchanges.drain(10, last_writes=0.01)
        assert isinstance(await world.store.look(ID), InFlight)

    in_world(scenario)
