"""Laws of a Redis store's replies: one trip where one will do, and none that is lost, late or cut is ever a licence."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

import pytest

from gateway.errors import StoreUnavailable
from gateway.protocol.model import Busy, Complete, Granted, InFlight, MarkUnknown, Release, Replay, Settled
from gateway.stores.redis.address import address_of
from gateway.stores.redis.connecting import connect
from gateway.stores.redis.faults import NoReply
from gateway.stores.redis.line import Lines
from gateway.stores.redis.store import RedisStore
from tests.faultproxy import Direction, FaultProxy
from tests.redis_servers import RedisServer
from tests.stores.requests import ANSWER, claim

DEADLINE = 0.6
# What a slow machine may need on top of a deadline; a hang takes longer.
LATE = 1.0


@asynccontextmanager
async def opened(port: int, deadline: float = DEADLINE) -> AsyncGenerator[RedisStore, None]:
    store = await RedisStore.open(f"redis://127.0.0.1:{port}", deadline=timedelta(seconds=deadline))
    await store.digest_keys([None])
    try:
        yield store
    finally:
        await store.close()


async def unavailable(asked: Awaitable[object]) -> StoreUnavailable:
    """It is ``StoreUnavailable``, and that in time."""
    began = time.monotonic()
    with pytest.raises(StoreUnavailable) as told:
        await asked
    assert time.monotonic() - began < DEADLINE + LATE
    return told.value


async def granted(store: RedisStore, key: str) -> Granted:
    verdict = await store.claim(claim(key))
    assert isinstance(verdict, Granted)
    return verdict


def test_a_first_call_is_two_trips_and_a_look_up_is_one(proxy: FaultProxy) -> None:
    async def calls() -> list[int]:
        async with opened(proxy.port, 5) as store:
            seen = [proxy.count(b"EVALSHA")]
            verdict = await granted(store, "k")
            seen.append(proxy.count(b"EVALSHA"))
            await store.settle(verdict.grant, Complete(ANSWER))
            seen.append(proxy.count(b"EVALSHA"))
            assert isinstance(await store.claim(claim("k")), Replay)
            seen.append(proxy.count(b"EVALSHA"))
            return seen

    assert asyncio.run(calls()) == [0, 1, 2, 3]


@pytest.mark.parametrize("settlement", [Release(), MarkUnknown("timeout")])
def test_every_settlement_is_one_trip(proxy: FaultProxy, settlement: Release | MarkUnknown) -> None:
    async def call() -> None:
        async with opened(proxy.port, 5) as store:
            verdict = await granted(store, "k")
            await store.settle(verdict.grant, settlement)

    asyncio.run(call())
    assert proxy.count(b"EVALSHA") == 2


def test_claims_of_one_moment_share_a_write_and_one_connection(proxy: FaultProxy) -> None:
    async def calls() -> int:
        async with opened(proxy.port, 5) as store:
            before = len(proxy.sent)
            await asyncio.gather(*(store.claim(claim(f"{number}")) for number in range(100)))
            return len(proxy.sent) - before

    # 100 claims are some 60 KB, and a piece is at most what one read of the proxy takes.
    assert asyncio.run(calls()) <= 10
    assert proxy.accepted == 2, "one at the start, and one for everything else"


def test_a_claim_whose_reply_is_lost_is_the_same_claim_when_it_is_issued_again(
    proxy: FaultProxy, server: RedisServer
) -> None:
    async def call() -> None:
        async with opened(proxy.port, 5) as store:
            proxy.drops_reply_to = b"EVALSHA"
            mine = claim("k")
            verdict = await store.claim(mine)
            assert isinstance(verdict, Granted)
            assert (verdict.grant.fence, verdict.grant.owner) == (1, mine.owner)
            assert isinstance(await store.claim(claim("k")), Busy)
            record = await store.look(mine.id)
            assert isinstance(record, InFlight)
            assert record.owner == mine.owner

    asyncio.run(call())
    assert proxy.dropped == 1, "or this test shows nothing"


def test_a_claim_that_stays_unsure_is_no_licence(proxy: FaultProxy, server: RedisServer) -> None:
    async def call() -> None:
        async with opened(proxy.port) as store:
            proxy.drops_reply_to, proxy.drops_again = b"EVALSHA", True
            fault = await unavailable(store.claim(claim("k")))
            assert fault.unsure

    asyncio.run(call())
    assert proxy.dropped >= 2
    assert server.ask.zcard("ig:in-flight") == 1, "it was granted, and nobody heard of it"


def test_a_claim_that_was_not_asked_for_is_certainly_not_granted(proxy: FaultProxy) -> None:
    async def call() -> None:
        async with opened(proxy.port) as store:
            proxy.cut()
            with pytest.raises(StoreUnavailable):
                # It may have gone out on the line that was cut.
                await store.ping()
            fault = await unavailable(store.claim(claim("k")))
            assert not fault.unsure

    asyncio.run(call())


@pytest.mark.parametrize("settlement", [Complete(ANSWER), Release(), MarkUnknown("reset")])
def test_a_settlement_whose_reply_is_lost_holds(
    proxy: FaultProxy, settlement: Complete | Release | MarkUnknown
) -> None:
    async def call() -> None:
        async with opened(proxy.port, 5) as store:
            verdict = await granted(store, "k")
            proxy.drops_reply_to = b"EVALSHA"
            assert isinstance(await store.settle(verdict.grant, settlement), Settled)

    asyncio.run(call())
    assert proxy.dropped == 1


def _black_hole_up(proxy: FaultProxy) -> None:
    proxy.up = Direction(swallows=True)


def _black_hole_down(proxy: FaultProxy) -> None:
    proxy.down = Direction(swallows=True)


def _refused(proxy: FaultProxy) -> None:
    proxy.cut()


def _too_slow(proxy: FaultProxy) -> None:
    proxy.up = proxy.down = Direction(delay=5.0)


@pytest.mark.parametrize("fault", [_black_hole_up, _black_hole_down, _refused, _too_slow])
def test_a_redis_that_cannot_be_heard_is_unavailable_in_time_and_welcome_again(
    proxy: FaultProxy, fault: Callable[[FaultProxy], None]
) -> None:
    async def calls() -> None:
        async with opened(proxy.port) as store:
            verdict = await granted(store, "k")
            fault(proxy)
            asked: Sequence[Awaitable[object]] = (
                store.claim(claim("new")),
                store.settle(verdict.grant, Complete(ANSWER)),
                store.look(verdict.grant.id),
                store.count(),
                store.sweep(10),
                store.ping(),
            )
            await asyncio.gather(*map(unavailable, asked))
            proxy.heal()
            proxy.reset()
            assert isinstance(await store.settle(verdict.grant, Complete(ANSWER)), Settled)
            await store.ping()

    asyncio.run(calls())


def test_a_paused_redis_is_unavailable_in_time_and_welcome_again(server: RedisServer) -> None:
    async def calls() -> None:
        async with opened(server.port) as store:
            server.ask.client_pause(60_000, all=False)
            await unavailable(store.claim(claim("k")))
            server.ask.client_unpause()
            assert isinstance(await store.claim(claim("other")), Granted)

    try:
        asyncio.run(calls())
    finally:
        server.ask.client_unpause()


# The scripts' twelve hashes are 564 bytes, the record's reply some 350 more.
@pytest.mark.parametrize("size", [0, 1, 47, 200, 564, 565, 572, 592, 680, 780])
def test_a_reply_cut_at_any_byte_is_no_other_reply(proxy: FaultProxy, size: int) -> None:
    async def calls() -> None:
        async with opened(proxy.port) as store:
            await store.settle((await granted(store, "k")).grant, Complete(ANSWER))
            proxy.down = Direction(closes_after=size, again=True)
            proxy.reset()
            await unavailable(store.claim(claim("k")))
            proxy.heal()
            verdict = await store.claim(claim("k"))
            assert isinstance(verdict, Replay)
            assert verdict.response == ANSWER

    asyncio.run(calls())


def test_one_command_goes_out_once_whatever_becomes_of_it(proxy: FaultProxy) -> None:
    async def ask() -> None:
        lines = Lines(partial(connect, address_of(f"redis://127.0.0.1:{proxy.port}")), (), 1.0)
        await lines.ask("SET", "a", "1")
        proxy.drops_reply_to = b"INCR"
        with pytest.raises(NoReply):
            await lines.ask("INCR", "counted")
        proxy.down = Direction(swallows=True)
        with pytest.raises(NoReply):
            await lines.ask("INCR", "counted")
        await lines.close()

    asyncio.run(ask())
    assert proxy.count(b"INCR") == 2


def test_whoever_stops_waiting_leaves_nobody_elses_answer_out_of_place(proxy: FaultProxy) -> None:
    async def ask() -> None:
        lines = Lines(partial(connect, address_of(f"redis://127.0.0.1:{proxy.port}")), (), 5.0)
        await lines.ask("PING")
        proxy.up = proxy.down = Direction(delay=0.05)
        asked = [asyncio.ensure_future(lines.ask("ECHO", f"{number}")) for number in range(50)]
        await asyncio.to_thread(proxy.wait_for, b"ECHO")
        for each in asked[::3]:
            each.cancel()
        heard = await asyncio.gather(*asked, return_exceptions=True)
        for number, answer in enumerate(heard):
            assert isinstance(answer, asyncio.CancelledError) if number % 3 == 0 else answer == str(number).encode()
        assert proxy.accepted == 1
        await lines.close()

    asyncio.run(ask())


def test_a_redis_with_more_to_do_than_it_can_at_once_is_slow_and_not_silent(proxy: FaultProxy) -> None:
    async def ask() -> None:
        lines = Lines(partial(connect, address_of(f"redis://127.0.0.1:{proxy.port}")), (), 0.6)
        await lines.ask("PING")
        # On one connection they wait for each other: the last answer comes long after anybody's patience.
        answers = await asyncio.gather(*(lines.ask("BLPOP", f"nothing {number}", "0.2") for number in range(6)))
        assert answers == [None] * 6
        assert proxy.accepted == 1
        await lines.close()

    asyncio.run(ask())


def test_scripts_that_the_server_forgot_are_brought_again(server: RedisServer) -> None:
    async def calls() -> None:
        async with opened(server.port, 5) as store:
            server.ask.script_flush()
            verdict = await granted(store, "k")
            server.ask.script_flush()
            assert isinstance(await store.settle(verdict.grant, Complete(ANSWER)), Settled)

    asyncio.run(calls())


def test_of_forty_claimants_on_four_stores_exactly_one_is_granted_round_after_round(server: RedisServer) -> None:
    async def rounds() -> None:
        async with (
            opened(server.port, 5) as one,
            opened(server.port, 5) as two,
            opened(server.port, 5) as three,
            opened(server.port, 5) as four,
        ):
            for number in range(40):
                asked = [store.claim(claim(f"{number}")) for _ in range(10) for store in (one, two, three, four)]
                verdicts = await asyncio.gather(*asked)
                assert sum(isinstance(verdict, Granted) for verdict in verdicts) == 1
                assert sum(isinstance(verdict, Busy) for verdict in verdicts) == 39

    asyncio.run(rounds())
