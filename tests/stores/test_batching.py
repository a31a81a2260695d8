"""Laws of group commit, with a commit that waits for the test's word."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from typing import Any

import pytest

from gateway.errors import RecordUnreadable, StoreUnavailable
from gateway.stores.batching import MOST_BYTES, GroupCommit


class Disk:
    """A commit that records its batches, waits where it is told to, and fails on what it is told to fail on."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.started = asyncio.Event()
        self.reached = asyncio.Event()
        self.reached.set()
        self.open = asyncio.Event()
        self.open.set()
        self.poison: dict[str, Exception] = {}
        self.down = 0
        self.unreachable = 0
        # Whether a commit that fails may have been done all the same.
        self.unsure: list[bool] = []

    async def commit(self, batch: Sequence[str], begun: Callable[[], None]) -> Sequence[str | Exception]:
        self.batches.append(list(batch))
        self.started.set()
        await self.reached.wait()
        if self.unreachable:
            self.unreachable -= 1
            raise StoreUnavailable("no connection")
        begun()
        await self.open.wait()
        if self.down:
            self.down -= 1
            raise StoreUnavailable("down", unsure=bool(self.unsure) and self.unsure.pop(0))
        for operation in batch:
            if operation in self.poison:
                raise self.poison[operation]
        return [RecordUnreadable(each) if each.startswith("unreadable") else each.upper() for each in batch]


def _commits(
    disk: Disk, *, seconds: float = 5, heard_by: timedelta | None = None, limit: int = 100
) -> GroupCommit[str, str]:
    return GroupCommit(disk.commit, deadline=timedelta(seconds=seconds), heard_by=heard_by, limit=limit)


def _run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


def test_an_operation_alone_is_committed_alone_and_at_once() -> None:
    async def scenario() -> None:
        disk = Disk()
        assert await _commits(disk).submit("a") == "A"
        assert disk.batches == [["a"]]

    _run(scenario())


def test_what_arrives_during_a_commit_goes_together_in_the_next_in_order() -> None:
    async def scenario() -> None:
        disk = Disk()
        disk.open.clear()
        commits = _commits(disk)
        first = asyncio.create_task(commits.submit("a"))
        await disk.started.wait()
        rest = [asyncio.create_task(commits.submit(name)) for name in "bcd"]
        await asyncio.sleep(0)
        disk.open.set()
        assert await asyncio.gather(first, *rest) == ["A", "B", "C", "D"]
        assert disk.batches == [["a"], ["b", "c", "d"]]

    _run(scenario())


def test_a_batch_is_never_larger_than_its_limit() -> None:
    async def scenario() -> None:
        disk = Disk()
        commits = _commits(disk, limit=3)
        await asyncio.gather(*(commits.submit(str(number)) for number in range(10)))
        assert [len(batch) for batch in disk.batches] == [3, 3, 3, 1]

    _run(scenario())


@pytest.mark.parametrize(
    ("arrived", "batches"),
    [
        ([("a", 0.5), ("b", 0.5), ("c", 0.1), ("d", 0)], ["d", "ab", "c"]),
        ([("a", 2), ("b", 0.1), ("c", 0), ("d", 0)], ["cd", "a", "b"]),
        ([("a", 0.05), ("b", 0), ("c", 0.3)], ["ab", "c"]),
        ([(name, 0.06) for name in "abcdefghijklmnopqr"] + [("s", 0)], ["abcdefghijklmnop", "qrs"]),
    ],
    ids=["as many bytes as it may", "more in one than it may", "large and small", "many small ones"],
)
def test_a_batch_has_few_bytes_and_large_ones_are_among_themselves(
    arrived: list[tuple[str, float]], batches: list[str]
) -> None:
    async def scenario() -> None:
        disk = Disk()
        commits = _commits(disk)
        told = await asyncio.gather(*(commits.submit(name, int(part * MOST_BYTES)) for name, part in arrived))
        assert told == [name.upper() for name, _ in arrived]
        assert ["".join(batch) for batch in disk.batches] == batches

    _run(scenario())


def test_small_ones_and_large_ones_take_turns() -> None:
    async def scenario() -> None:
        disk = Disk()
        disk.open.clear()
        commits = _commits(disk, limit=1)
        operations = [("A", MOST_BYTES), ("a", 0), ("b", 0), ("B", MOST_BYTES), ("c", 0)]
        waiting = [asyncio.ensure_future(commits.submit(name, weight)) for name, weight in operations]
        await disk.started.wait()
        disk.open.set()
        await asyncio.gather(*waiting)
        assert disk.batches == [["a"], ["A"], ["b"], ["B"], ["c"]]

    _run(scenario())


def test_one_operation_that_cannot_be_done_fails_nobody_else() -> None:
    async def scenario() -> None:
        disk = Disk()
        disk.poison["b"] = ValueError("poisoned")
        commits = _commits(disk)
        told = await asyncio.gather(*(commits.submit(name) for name in "abc"), return_exceptions=True)
        assert told[0::2] == ["A", "C"]
        assert told[1] is disk.poison["b"]
        assert disk.batches == [["a", "b", "c"], ["a"], ["b"], ["c"]]

    _run(scenario())


def test_a_store_that_was_not_reached_is_asked_again_for_all_together() -> None:
    async def scenario() -> None:
        disk = Disk()
        disk.unreachable = 2
        commits = _commits(disk)
        assert await asyncio.gather(*(commits.submit(name) for name in "abc")) == ["A", "B", "C"]
        assert disk.batches == [["a", "b", "c"]] * 3

    _run(scenario())


def test_a_fault_of_one_answer_is_told_to_its_asker_alone() -> None:
    async def scenario() -> None:
        disk = Disk()
        commits = _commits(disk)
        told = await asyncio.gather(commits.submit("a"), commits.submit("unreadable"), return_exceptions=True)
        assert told[0] == "A"
        assert isinstance(told[1], RecordUnreadable)
        assert disk.batches == [["a", "unreadable"]]

    _run(scenario())


def test_an_unavailable_store_is_asked_again_until_it_answers() -> None:
    async def scenario() -> None:
        disk = Disk()
        disk.down = 3
        assert await _commits(disk).submit("a") == "A"
        assert disk.batches == [["a"]] * 4

    _run(scenario())


def test_an_unavailable_store_is_reported_when_the_deadline_has_passed() -> None:
    async def scenario() -> None:
        disk = Disk()
        disk.down = 1_000_000
        with pytest.raises(StoreUnavailable):
            await _commits(disk, seconds=0.1).submit("a")
        assert len(disk.batches) > 1

    _run(scenario())


@pytest.mark.parametrize("unsure", [[], [True], [False, True], [True, False]])
def test_an_operation_is_unsure_if_one_of_its_commits_was(unsure: list[bool]) -> None:
    async def scenario() -> None:
        disk = Disk()
        disk.down, disk.unsure = 1_000_000, list(unsure)
        with pytest.raises(StoreUnavailable) as told:
            await _commits(disk, seconds=0.1).submit("a")
        assert len(disk.batches) > 2
        assert told.value.unsure == any(unsure)

    _run(scenario())


@pytest.mark.parametrize("reached", [True, False])
def test_an_operation_that_the_store_is_asked_for_is_unsure_and_one_that_it_is_not_yet_asked_for_is_not(
    reached: bool,
) -> None:
    async def scenario() -> None:
        disk = Disk()
        (disk.open if reached else disk.reached).clear()
        commits = _commits(disk, seconds=0.1, heard_by=timedelta(seconds=0.1))
        under_way = asyncio.create_task(commits.submit("a"))
        await disk.started.wait()
        heard = await asyncio.gather(under_way, commits.submit("b"), return_exceptions=True)
        assert [isinstance(each, StoreUnavailable) and each.unsure for each in heard] == [reached, False]
        disk.open.set()
        disk.reached.set()
        await commits.close()

    _run(scenario())


def test_those_who_come_while_one_rests_between_attempts_are_served() -> None:
    async def scenario() -> None:
        disk = Disk()
        disk.poison["full"] = StoreUnavailable("no room for this one")
        commits = _commits(disk, seconds=0.2)
        large = asyncio.create_task(commits.submit("full"))
        await disk.started.wait()
        assert await commits.submit("a") == "A"
        with pytest.raises(StoreUnavailable, match="no room"):
            await large

    _run(scenario())


def test_a_waiter_who_is_cancelled_hurts_nobody_and_is_not_issued_if_it_was_not_yet() -> None:
    async def scenario() -> None:
        disk = Disk()
        disk.open.clear()
        commits = _commits(disk)
        first, second, third = (asyncio.create_task(commits.submit(name)) for name in "abc")
        await disk.started.wait()
        later, gone = (asyncio.create_task(commits.submit(name)) for name in "de")
        await asyncio.sleep(0)
        second.cancel()
        gone.cancel()
        await asyncio.sleep(0)
        disk.open.set()
        assert [await waiter for waiter in (first, third, later)] == ["A", "C", "D"]
        assert disk.batches == [["a", "b", "c"], ["d"]]

    _run(scenario())


def test_close_commits_what_has_arrived_and_refuses_what_comes_after() -> None:
    async def scenario() -> None:
        disk = Disk()
        commits = _commits(disk)
        arrived = asyncio.create_task(commits.submit("a"))
        await asyncio.sleep(0)
        await commits.close()
        assert await arrived == "A"
        with pytest.raises(StoreUnavailable):
            await commits.submit("b")

    _run(scenario())


def test_close_tells_those_who_rest_between_two_attempts() -> None:
    async def scenario() -> None:
        disk = Disk()
        disk.down = 1_000_000
        commits = _commits(disk)
        resting = asyncio.create_task(commits.submit("a"))
        await disk.started.wait()
        await commits.close()
        with pytest.raises(StoreUnavailable):
            await resting

    _run(scenario())


def test_who_has_to_hear_by_a_moment_does_although_the_commit_goes_on_and_is_not_issued_after_it() -> None:
    async def scenario() -> None:
        disk = Disk()
        disk.open.clear()
        commits = _commits(disk, heard_by=timedelta(seconds=0.05))
        under_way = asyncio.create_task(commits.submit("a"))
        await disk.started.wait()
        behind = asyncio.create_task(commits.submit("b"))
        for waiting in (under_way, behind):
            with pytest.raises(StoreUnavailable, match="in time"):
                await waiting
        disk.open.set()
        assert await commits.submit("c") == "C"
        assert disk.batches == [["a"], ["c"]]

    _run(scenario())
