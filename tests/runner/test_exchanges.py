"""Each exchange in a task of its own: what happens around it is an event, never a cancellation of the call."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

from gateway.errors import NotSent, OutcomeUnknown
from gateway.policies.policy import Policy
from gateway.policies.routing import Timeouts
from gateway.protocol.commands import Reply
from gateway.protocol.events import CallerGone
from gateway.protocol.model import Completed, InFlight, NotKept, Released, StoredResponse, Unknown
from gateway.protocol.outcomes import Outcome
from gateway.protocol.terms import OnConflict, OnStoreDown, OnUnknown, Terms
from gateway.runner.exchanges import DISPATCH_MARGIN, Exchange
from gateway.stores.watching import POLL
from tests.protocol.samples import ID
from tests.runner.fakes import ToldAnswer, World, errand


def in_world(scenario: Callable[[World], Awaitable[None]]) -> None:
    async def run() -> None:
        await scenario(await World.begin())

    asyncio.run(run())


def said(reply: Reply) -> str:
    return f"{reply.response.status} {reply.outcome}"


async def called(world: World) -> Exchange:
    """An exchange whose call is under way."""
    exchange = world.exchanges.begin(errand())
    await world.upstream.called.wait()
    return exchange


def test_a_call_is_claimed_sent_settled_and_answered() -> None:
    async def scenario(world: World) -> None:
        world.upstream.outcome.set_result(ToldAnswer())
        exchange = world.exchanges.begin(errand())
        assert said(await exchange.reply) == "201 executed"
        assert isinstance(await world.store.look(ID), Completed)

    in_world(scenario)


def test_a_caller_that_is_gone_does_not_end_the_call() -> None:
    async def scenario(world: World) -> None:
        exchange = await called(world)
        exchange.reply.cancel()
        exchange.abandon()
        world.upstream.outcome.set_result(ToldAnswer())
        await world.exchanges.drain(10)
        assert isinstance(await world.store.look(ID), Completed)

    in_world(scenario)


def test_a_stream_that_nobody_waits_for_is_read_to_its_end() -> None:
    async def scenario(world: World) -> None:
        answer = ToldAnswer(headers=((b"Content-Type", b"text/event-stream"),))
        exchange = await called(world)
        exchange.reply.cancel()
        world.upstream.outcome.set_result(answer)
        await world.exchanges.drain(10)
        assert answer.read

    in_world(scenario)


def test_a_stream_that_was_handed_over_to_a_caller_who_left_is_read_to_its_end() -> None:
    async def scenario(world: World) -> None:
        answer = ToldAnswer(headers=((b"Content-Type", b"text/event-stream"),))
        exchange = await called(world)
        world.upstream.outcome.set_result(answer)
        await exchange.reply
        exchange.abandon()
        await world.exchanges.drain(10)
        assert answer.read

    in_world(scenario)


def test_a_late_stream_is_settled_as_not_kept_and_read_to_its_end() -> None:
    async def scenario(world: World) -> None:
        exchange = world.exchanges.begin(errand(Timeouts(response=timedelta(milliseconds=20))))
        assert said(await exchange.reply) == "504 unknown"
        answer = ToldAnswer(headers=((b"Content-Type", b"text/event-stream"),))
        world.upstream.outcome.set_result(answer)
        await world.exchanges.drain(10)
        record = await world.store.look(ID)
        assert isinstance(record, Completed)
        assert record.answer == NotKept(201)
        assert answer.read

    in_world(scenario)


def test_a_call_given_up_before_its_first_byte_was_not_sent() -> None:
    async def scenario(world: World) -> None:
        world.upstream.connecting = True
        exchange = world.exchanges.begin(errand(Timeouts(total=timedelta(milliseconds=20))))
        assert said(await exchange.reply) == "503 not-executed"
        assert isinstance(await world.store.look(ID), Released)

    in_world(scenario)


def test_a_pause_after_the_claim_releases_it_instead_of_sending() -> None:
    async def scenario(world: World) -> None:
        exchange = world.exchanges.begin(errand())
        world.clock.now += 3600
        assert said(await exchange.reply) == "503 not-executed"
        assert world.upstream.sent == []
        assert isinstance(await world.store.look(ID), Released)

    in_world(scenario)


def test_without_a_store_nothing_is_sent() -> None:
    async def scenario(world: World) -> None:
        world.store.claims_fail = True
        exchange = world.exchanges.begin(errand())
        assert said(await exchange.reply) == "503 unavailable"
        assert world.upstream.sent == []

    in_world(scenario)


def test_without_a_store_an_operator_may_choose_to_send_unguarded_and_it_is_counted() -> None:
    async def scenario(world: World) -> None:
        world.store.claims_fail = True
        world.upstream.outcome.set_result(ToldAnswer())
        policy = Policy(namespace="n", terms=Terms(on_store_down=OnStoreDown.PASS))
        exchange = world.exchanges.begin(errand(policy=policy))
        assert said(await exchange.reply) == "201 unguarded"
        assert "PolicyChoice" in world.seen.kinds()

    in_world(scenario)


def test_an_answer_that_cannot_be_recorded_in_time_is_told_marked_and_recorded_later() -> None:
    async def scenario(world: World) -> None:
        world.store.settling.clear()
        world.upstream.outcome.set_result(ToldAnswer())
        exchange = world.exchanges.begin(errand())
        reply = await exchange.reply
        assert (said(reply), reply.recorded, reply.expires) == ("201 executed", False, None)
        assert isinstance(await world.store.look(ID), InFlight)
        world.store.settling.set()
        await world.exchanges.drain(10)
        assert isinstance(await world.store.look(ID), Completed)
        assert "SettlementSlow" in world.seen.kinds()
        assert len(world.upstream.sent) == 1

    in_world(scenario)


def test_a_store_that_comes_back_is_told_what_it_missed() -> None:
    async def scenario(world: World) -> None:
        exchange = await called(world)
        world.store.settlements_fail = True
        world.upstream.outcome.set_result(ToldAnswer())
        await world.seen.until("StoreFault")
        world.store.settlements_fail = False
        reply = await exchange.reply
        assert (said(reply), reply.recorded) == ("201 executed", True)
        assert len(world.upstream.sent) == 1

    in_world(scenario)


def test_a_call_that_is_overdue_is_told_as_unknown_and_settled_by_its_late_answer() -> None:
    async def scenario(world: World) -> None:
        times = Timeouts(response=timedelta(milliseconds=20))
        exchange = world.exchanges.begin(errand(times))
        assert said(await exchange.reply) == "504 unknown"
        world.upstream.outcome.set_result(ToldAnswer())
        await world.exchanges.drain(10)
        assert isinstance(await world.store.look(ID), Completed)
        assert "LateAnswer" in world.seen.kinds()

    in_world(scenario)


def test_a_call_that_never_ends_is_given_up_at_its_total_and_stays_unknown() -> None:
    async def scenario(world: World) -> None:
        times = Timeouts(response=timedelta(milliseconds=20), total=timedelta(milliseconds=40))
        exchange = world.exchanges.begin(errand(times))
        assert said(await exchange.reply) == "504 unknown"
        await world.exchanges.drain(10)
        assert isinstance(await world.store.look(ID), Unknown)

    in_world(scenario)


def test_the_first_byte_has_a_deadline_counted_from_the_claim() -> None:
    async def scenario(world: World) -> None:
        await called(world)
        assert world.upstream.dispatch_by == [1000.0 + 5 + DISPATCH_MARGIN]
        world.upstream.outcome.set_exception(NotSent("dispatch-deadline", "The gateway was paused."))
        await world.exchanges.drain(10)
        assert isinstance(await world.store.look(ID), Released)
        assert "NotSent" in world.seen.kinds()

    in_world(scenario)


def test_a_lost_call_is_marked_and_counted_by_its_reason() -> None:
    async def scenario(world: World) -> None:
        exchange = await called(world)
        world.upstream.outcome.set_exception(OutcomeUnknown("reset", "It broke off."))
        assert said(await exchange.reply) == "502 unknown"
        assert isinstance(await world.store.look(ID), Unknown)
        assert "OutcomeLost" in world.seen.kinds()

    in_world(scenario)


def test_a_fault_of_our_own_is_told_as_unknown_and_leaves_the_claim_to_its_lease() -> None:
    async def scenario(world: World) -> None:
        exchange = await called(world)
        world.upstream.outcome.set_exception(ZeroDivisionError())
        assert said(await exchange.reply) == "502 unknown"
        assert isinstance(await world.store.look(ID), InFlight)
        assert "InternalFault" in world.seen.kinds()

    in_world(scenario)


def test_a_drain_lets_what_is_in_flight_finish() -> None:
    async def scenario(world: World) -> None:
        exchange = await called(world)
        draining = asyncio.create_task(world.exchanges.drain(10))
        world.upstream.outcome.set_result(ToldAnswer())
        await draining
        assert said(exchange.reply.result()) == "201 executed"
        assert world.exchanges.under_way == 0

    in_world(scenario)


def test_when_the_grace_is_over_every_claim_that_is_held_is_settled_as_unknown() -> None:
    async def scenario(world: World) -> None:
        exchange = await called(world)
        await world.exchanges.drain(0.02)
        assert said(exchange.reply.result()) == "502 unknown"
        assert isinstance(await world.store.look(ID), Unknown)
        assert world.exchanges.under_way == 0

    in_world(scenario)


def test_a_call_that_was_not_sent_when_the_grace_is_over_is_given_back() -> None:
    async def scenario(world: World) -> None:
        world.upstream.connecting = True
        exchange = world.exchanges.begin(errand())
        await world.exchanges.drain(0.02)
        assert said(exchange.reply.result()) == "503 not-executed"
        assert isinstance(await world.store.look(ID), Released)

    in_world(scenario)


def test_a_call_that_is_being_given_up_may_be_given_up_again() -> None:
    async def scenario(world: World) -> None:
        world.upstream.connecting = True
        exchange = world.exchanges.begin(errand())
        while not world.upstream.dispatch_by:
            await asyncio.wait([exchange.reply], timeout=0.01)
        exchange.close()
        await asyncio.sleep(0)
        exchange.close()
        assert said(await exchange.reply) == "503 not-executed"
        assert isinstance(await world.store.look(ID), Released)

    in_world(scenario)


def test_a_settlement_that_is_being_written_when_the_grace_is_over_is_waited_for() -> None:
    async def scenario(world: World) -> None:
        world.store.settling.clear()
        world.upstream.outcome.set_result(ToldAnswer())
        exchange = await called(world)
        draining = asyncio.create_task(world.exchanges.drain(0.02))
        _, waits = await asyncio.wait([draining], timeout=0.1)
        assert waits == {draining}
        world.store.settling.set()
        await draining
        assert said(exchange.reply.result()) == "201 executed"
        assert isinstance(await world.store.look(ID), Completed)

    in_world(scenario)


def test_a_claim_that_the_store_never_answers_sent_nothing_when_the_server_is_gone() -> None:
    async def scenario(world: World) -> None:
        world.store.claiming.clear()
        exchange = world.exchanges.begin(errand())
        await world.exchanges.drain(0.02, last_writes=0.05)
        assert said(exchange.reply.result()) == "503 unavailable"
        assert world.upstream.sent == []

    in_world(scenario)


def test_an_outcome_that_the_store_never_takes_is_told_as_not_recorded() -> None:
    async def scenario(world: World) -> None:
        world.store.settling.clear()
        exchange = await called(world)
        await world.exchanges.drain(0.02, last_writes=0.05)
        reply = exchange.reply.result()
        assert (said(reply), reply.recorded) == ("502 unknown", False)

    in_world(scenario)


def test_while_closing_a_new_key_is_given_back_and_a_known_one_is_told() -> None:
    async def scenario(world: World) -> None:
        world.upstream.outcome.set_result(ToldAnswer())
        await world.exchanges.begin(errand()).reply
        world.exchanges.closing = True
        known = await world.exchanges.begin(errand(owner=b"r" * 16)).reply
        assert said(known) == "201 replayed"
        assert len(world.upstream.sent) == 1

    in_world(scenario)


def test_a_call_that_was_not_sent_when_its_caller_must_be_answered_is_given_back() -> None:
    async def scenario(world: World) -> None:
        world.upstream.connecting = True
        exchange = world.exchanges.begin(errand(Timeouts(response=timedelta(milliseconds=20))))
        assert said(await exchange.reply) == "503 not-executed"
        assert isinstance(await world.store.look(ID), Released)

    in_world(scenario)


def test_under_fail_a_call_whose_caller_left_is_settled_by_its_late_answer() -> None:
    async def scenario(world: World) -> None:
        policy = Policy(namespace="n", terms=Terms(on_unknown=OnUnknown.FAIL))
        exchange = world.exchanges.begin(errand(Timeouts(response=timedelta(milliseconds=20)), policy))
        exchange.tell(CallerGone())
        assert said(await exchange.reply) == "504 unknown"
        world.upstream.outcome.set_result(ToldAnswer())
        await world.exchanges.drain(10)
        record = await world.store.look(ID)
        assert isinstance(record, Completed)
        assert isinstance(record.answer, StoredResponse)
        assert record.answer.status == 201

    in_world(scenario)


def test_hurry_ends_the_grace_early() -> None:
    async def scenario(world: World) -> None:
        exchange = await called(world)
        hurry = asyncio.Event()
        hurry.set()
        await asyncio.wait_for(world.exchanges.drain(600, hurry), 10)
        assert said(exchange.reply.result()) == "502 unknown"

    in_world(scenario)


def test_a_second_call_of_a_key_in_flight_sends_nothing() -> None:
    async def scenario(world: World) -> None:
        await called(world)
        second = world.exchanges.begin(errand(owner=b"r" * 16))
        assert (await second.reply).outcome is Outcome.IN_FLIGHT
        assert len(world.upstream.sent) == 1
        world.upstream.outcome.set_result(ToldAnswer())
        await world.exchanges.drain(10)

    in_world(scenario)


PATIENT = Policy(namespace="n", terms=Terms(on_conflict=OnConflict.WAIT, on_store_down=OnStoreDown.PASS))


async def waiting(world: World, policy: Policy = PATIENT, owner: bytes = b"w" * 16) -> Exchange:
    """An exchange that waits for the one under way."""
    exchange = world.exchanges.begin(errand(policy=policy, owner=owner))
    await world.store.until_claimed(world.store.claims + 2)
    return exchange


def test_a_call_waits_for_the_one_in_flight_and_hears_its_answer() -> None:
    async def scenario(world: World) -> None:
        first = await called(world)
        second = await waiting(world)
        assert not second.reply.done()
        world.upstream.outcome.set_result(ToldAnswer())
        assert said(await first.reply) == "201 executed"
        assert said(await second.reply) == "201 replayed"
        assert len(world.upstream.sent) == 1
        assert world.seen.kinds().count("Waiting") == 1

    in_world(scenario)


def test_of_many_that_wait_one_is_sent_when_the_first_was_not() -> None:
    async def scenario(world: World) -> None:
        first = await called(world)
        others = [await waiting(world, owner=bytes([number]) * 16) for number in range(20)]
        lost, world.upstream.outcome = world.upstream.outcome, asyncio.get_running_loop().create_future()
        lost.set_exception(NotSent("refused", "nobody there"))
        assert said(await first.reply) == "503 not-executed"
        await world.upstream.called_again.wait()
        world.upstream.outcome.set_result(ToldAnswer())
        heard = [said(await other.reply) for other in others]
        assert sorted(heard) == ["201 executed", *["201 replayed"] * 19]
        assert len(world.upstream.sent) == 2

    in_world(scenario)


def test_a_call_that_waited_is_bounded_from_its_grant_on_not_from_its_beginning() -> None:
    async def scenario(world: World) -> None:
        await called(world)
        second = await waiting(world)
        world.clock.now += 20
        lost, world.upstream.outcome = world.upstream.outcome, asyncio.get_running_loop().create_future()
        lost.set_exception(NotSent("refused", "nobody there"))
        world.upstream.outcome.set_result(ToldAnswer())
        assert said(await second.reply) == "201 executed"
        assert world.upstream.dispatch_by[-1] == world.clock.now + Timeouts().connect.total_seconds() + DISPATCH_MARGIN

    in_world(scenario)


def test_a_call_that_has_waited_its_time_hears_that_the_other_is_in_flight() -> None:
    async def scenario(world: World) -> None:
        await called(world)
        second = await waiting(world, replace(PATIENT, wait_timeout=timedelta(milliseconds=20)))
        world.clock.now += 0.02
        assert said(await second.reply) == "409 in-flight"
        await world.exchanges.drain(0)

    in_world(scenario)


def test_a_hundred_calls_that_wait_look_no_more_often_than_one() -> None:
    async def scenario(world: World) -> None:
        await called(world)
        others = [await waiting(world, owner=bytes([number]) * 16) for number in range(100)]
        begun, looked = asyncio.get_running_loop().time(), world.store.claims
        await world.store.until_claimed(looked + 3)
        assert asyncio.get_running_loop().time() - begun >= 2 * POLL
        world.upstream.outcome.set_result(ToldAnswer())
        assert {said(await other.reply) for other in others} == {"201 replayed"}

    in_world(scenario)


def test_a_call_whose_caller_is_gone_waits_no_longer() -> None:
    async def scenario(world: World) -> None:
        first = await called(world)
        second = await waiting(world)
        second.tell(CallerGone())
        assert said(await second.reply) == "409 in-flight"
        world.upstream.outcome.set_result(ToldAnswer())
        await first.reply
        assert len(world.upstream.sent) == 1

    in_world(scenario)


def test_at_shutdown_a_call_that_waits_is_told_to_come_back() -> None:
    async def scenario(world: World) -> None:
        await called(world)
        second = await waiting(world)
        await world.exchanges.drain(0, last_writes=0.1)
        assert said(await second.reply) == "409 in-flight"
        assert len(world.upstream.sent) == 1

    in_world(scenario)


def test_a_call_that_waited_is_not_sent_unguarded_when_the_store_is_gone() -> None:
    async def scenario(world: World) -> None:
        await called(world)
        second = await waiting(world)
        world.store.claims_fail = True
        assert said(await second.reply) == "503 unavailable"
        assert len(world.upstream.sent) == 1

    in_world(scenario)
