"""The quota of stored keys: exact in a process, nearly so over several, counted seldom, and no fault for a call."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from gateway.edge.keys_held import FRESH, KeysHeld
from gateway.errors import StoreUnavailable
from gateway.protocol.model import Granted, Holder, Record, RecordId, Release
from gateway.stores.memory import MemoryStore
from tests.stores.requests import claim
from tests.stores.test_rates import Now

SHOP = Holder("shop", b"s" * 16)


class Counting(MemoryStore):
    """The reference store, which tells how often it was asked, and may be out of reach."""

    counts = 0
    gone = False

    async def held(self, digests: Sequence[bytes]) -> int:
        self.counts += 1
        await asyncio.sleep(0)
        if self.gone:
            raise StoreUnavailable("gone")
        return await super().held(digests)

    async def look(self, record_id: RecordId) -> Record | None:
        if self.gone:
            raise StoreUnavailable("gone")
        return await super().look(record_id)


class Process:
    """One process with a quota; many may share a store."""

    def __init__(self, store: Counting, most: int) -> None:
        self.clock = Now()
        self._store, self._most = store, most
        self._keys_held = KeysHeld(store, self.clock)

    async def call(self, key: str, holder: Holder = SHOP) -> bool:
        """Whether a call with this key was let through to its claim."""
        made = replace(claim(key), holder=holder)
        admitted = await self._keys_held.admit(made, self._most)
        if admitted is None:
            return False
        await asyncio.sleep(0)
        if isinstance(verdict := await self._store.claim(made), Granted):
            admitted.granted()
            await self._store.settle(verdict.grant, Release())
        admitted.over()
        return True


async def let_through(process: Process, *keys: str) -> int:
    return sum(await asyncio.gather(*(process.call(key) for key in keys)))


def keys(number: int, name: str = "k") -> list[str]:
    return [f"{name}{each}" for each in range(number)]


def test_of_calls_at_once_and_one_after_another_no_more_than_the_quota_get_through() -> None:
    async def play() -> None:
        store = Counting()
        process = Process(store, 30)
        assert await let_through(process, *keys(20)) == 20
        assert await let_through(process, *keys(50, "more")) == 10
        assert [await process.call(f"late{each}") for each in range(3)] == [False] * 3
        assert await store.held([SHOP.digest]) == 30
        assert await let_through(process, *keys(20)) == 20, "whose key is known is not turned away"
        assert await process.call("bar's", Holder("bar", b"b" * 16)), "another caller has a quota of their own"

    asyncio.run(play())


def test_a_quota_of_many_keys_is_counted_seldom_and_one_that_is_used_up_once_a_second() -> None:
    async def play() -> None:
        store = Counting()
        process = Process(store, 1000)
        for key in keys(900):
            assert await process.call(key)
        assert store.counts < 40
        for key in keys(200, "more"):
            await process.call(key)
        assert await store.held([SHOP.digest]) == 1000
        before = store.counts
        assert await let_through(process, *keys(100, "late")) == 0
        assert store.counts == before, "what did not change is not counted again"
        process.clock.seconds += FRESH
        assert not await process.call("late")
        assert store.counts == before + 1

    asyncio.run(play())


def test_processes_notice_each_other() -> None:
    async def play() -> None:
        store = Counting()
        processes = [Process(store, 100) for _ in range(4)]
        for key in keys(40):
            for number, process in enumerate(processes):
                await process.call(f"{number}-{key}")
        assert await store.held([SHOP.digest]) == 100
        assert [await process.call("late") for process in processes] == [False] * 4

    asyncio.run(play())


def test_processes_that_claim_at_once_are_off_by_no_more_than_what_others_claim_just_then() -> None:
    async def play() -> None:
        store = Counting()
        processes = [Process(store, 100) for _ in range(4)]
        for turn in range(12):
            await asyncio.gather(*(let_through(each, *keys(5, f"{turn}-{id(each)}-")) for each in processes))
        assert 100 <= await store.held([SHOP.digest]) <= 100 + 3 * 5
        assert [await process.call("late") for process in processes] == [False] * 4

    asyncio.run(play())


def test_a_store_that_does_not_answer_turns_nobody_away() -> None:
    async def play() -> None:
        store = Counting()
        process = Process(store, 2)
        assert await let_through(process, "a", "b") == 2
        assert not await process.call("c")
        store.gone = True
        assert await process.call("c"), "whether it can be made is for its claim to meet"
        fresh = Process(store, 2)
        assert await fresh.call("d")
        store.gone = False
        fresh.clock.seconds += FRESH
        assert not await fresh.call("e")

    asyncio.run(play())


def test_a_caller_who_leaves_while_keys_are_counted_takes_the_count_from_nobody() -> None:
    async def play() -> None:
        process = Process(Counting(), 1)
        leaving = asyncio.create_task(process.call("a"))
        staying = asyncio.create_task(process.call("b"))
        await asyncio.sleep(0)
        leaving.cancel()
        assert await staying
        assert not await process.call("c")

    asyncio.run(play())
