"""Those who wait for a record in one process: all hear of it at once, and one looks for all where nobody tells."""

import asyncio
from collections.abc import Awaitable, Callable

from gateway.protocol.model import RecordId
from gateway.stores.watching import Watch, Watches

RECORD, OTHER = RecordId(b"r" * 32), RecordId(b"o" * 32)
NEVER = 3600.0


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(10):
            await scenario()

    asyncio.run(bounded())


async def waiting(watch: Watch) -> "asyncio.Task[None]":
    """A task that waits by now."""
    task = asyncio.create_task(watch.changed(NEVER))
    await asyncio.sleep(0)
    return task


def test_everybody_who_waits_for_a_record_hears_of_it_and_nobody_else() -> None:
    async def scenario() -> None:
        watches = Watches(poll=NEVER)
        told = [await waiting(watches.watch(RECORD)) for _ in range(3)]
        other = await waiting(watches.watch(OTHER))
        watches.tell(RECORD)
        await asyncio.gather(*told)
        assert not other.done()
        other.cancel()

    run(scenario)


def test_word_that_comes_before_anybody_asks_for_it_is_not_lost() -> None:
    async def scenario() -> None:
        watches = Watches(poll=NEVER)
        watch = watches.watch(RECORD)
        watches.tell(RECORD)
        await watch.changed(NEVER)
        again = await waiting(watch)
        assert not again.done(), "it was told once"
        watch.close()
        await again

    run(scenario)


def test_without_word_one_at_a_time_looks_and_the_others_wait() -> None:
    async def scenario() -> None:
        watches = Watches(poll=0.01)
        everybody = [watches.watch(RECORD) for _ in range(3)]
        tasks = {await waiting(watch): watch for watch in everybody}
        looked: list[Watch] = []
        for _ in range(4):
            (scout,), _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            watch = tasks.pop(scout)
            looked.append(watch)
            tasks[await waiting(watch)] = watch
        assert looked == [*everybody, everybody[0]], "in turn"
        for watch in everybody:
            watch.close()
        await asyncio.wait(tasks)

    run(scenario)


def test_while_one_is_away_to_look_nobody_else_goes() -> None:
    async def scenario() -> None:
        watches = Watches(poll=0.01)
        first, second = watches.watch(RECORD), watches.watch(RECORD)
        stays = await waiting(second)
        await first.changed(NEVER)
        # Time for many more looks, which a loop that is asked for nothing else would not miss.
        await asyncio.sleep(0.1)
        assert not stays.done()
        first.close()
        await stays

    run(scenario)


def test_who_looked_and_does_not_come_back_has_found_something_and_all_look() -> None:
    async def scenario() -> None:
        watches = Watches(poll=0.01)
        scout, others = watches.watch(RECORD), [watches.watch(RECORD) for _ in range(3)]
        told = [await waiting(watch) for watch in others]
        await scout.changed(NEVER)
        scout.close()
        await asyncio.gather(*told)

    run(scenario)


def test_a_record_is_forgotten_with_the_last_who_waited_for_it() -> None:
    async def scenario() -> None:
        left: list[RecordId] = []
        watches = Watches(left.append, poll=0.01)
        one, two = watches.watch(RECORD), watches.watch(RECORD)
        one.close()
        one.close()
        assert RECORD in watches
        assert left == []
        two.close()
        assert RECORD not in watches
        assert left == [RECORD]
        watches.tell(RECORD)

    run(scenario)
