"""A task is cut short inside its block, once and nowhere else; what cancels it from elsewhere stays what it is."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from gateway.cuts import Cut, Within


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def test_a_word_ends_what_is_awaited_inside() -> None:
    async def work() -> None:
        cut = Cut()
        asyncio.get_running_loop().call_soon(cut.cut)
        with pytest.raises(TimeoutError), cut:
            await asyncio.Event().wait()
        assert cut.made
        task = asyncio.current_task()
        assert task is not None
        assert not task.cancelling(), "the task goes on as if it had never been cancelled"

    run(work())


def test_a_clock_ends_it_too_and_can_be_put_back() -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()
        within, begun = Within(0.02), loop.time()
        loop.call_soon(within.extend, 0.1)
        with pytest.raises(TimeoutError), within:
            await asyncio.Event().wait()
        assert loop.time() - begun >= 0.1

    run(work())


def test_a_block_that_ends_by_itself_is_not_cut_and_nor_is_what_follows() -> None:
    async def work() -> None:
        within = Within(0.01)
        within.cut()
        with within:
            await asyncio.sleep(0)
        within.extend(0.01)
        within.cut()
        await asyncio.sleep(0.03)
        assert not within.made

    run(work())


async def faulty(cut: Cut) -> None:
    cut.cut()
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        raise ZeroDivisionError from None


def test_a_fault_of_its_own_passes_as_it_is_though_the_block_was_cut() -> None:
    async def work() -> None:
        cut = Cut()
        with pytest.raises(ZeroDivisionError), cut:
            await faulty(cut)
        task = asyncio.current_task()
        assert task is not None
        assert not task.cancelling()

    run(work())


def test_who_cancels_the_task_is_heard_even_where_it_is_cut_at_the_same_moment() -> None:
    async def block(cut: Cut) -> None:
        with cut:
            await asyncio.Event().wait()

    async def work() -> None:
        cut = Cut()
        task = asyncio.create_task(block(cut))
        await asyncio.sleep(0)
        cut.cut()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(work())


def test_of_two_blocks_the_one_that_was_cut_says_so() -> None:
    async def work() -> None:
        outer, inner = Cut(), Cut()
        asyncio.get_running_loop().call_soon(outer.cut)
        with pytest.raises(TimeoutError), outer, inner:
            await asyncio.Event().wait()
        assert outer.made
        assert not inner.made

    run(work())
