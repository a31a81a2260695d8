"""Group commit: what arrives while a commit is under way goes together in the next one.

Knows operations, their weights, their answers and their deadlines. Refuses to know what an operation does or how it is
committed. An operation that comes alone starts at once: nothing ever waits for company. How long a commit takes goes by
its bytes, so a batch is bounded by them too; and large operations go in batches of their own, by turns with the others,
so that one which the store cannot take in time fails none of these. A batch that fails is issued again operation by
operation, so that one which cannot be done fails nobody else; but not where the store was not reached at all, for each
attempt would be another connection. An unavailable store is asked again until the operation's deadline. So every
operation must bear being issued twice (ports, S5).
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Generic, TypeAlias, TypeVar

from gateway.errors import StoreUnavailable

Operation = TypeVar("Operation")
Answer = TypeVar("Answer")

# An operation's answer, or the fault that is its own and nobody else's.
Outcome: TypeAlias = Answer | Exception
# The second argument is called when the store is first asked; before that nothing was done.
Commit: TypeAlias = Callable[[Sequence[Operation], Callable[[], None]], Awaitable[Sequence[Outcome[Answer]]]]

# Told of each batch that was committed: how many operations.
Meter: TypeAlias = Callable[[int], None]

_PAUSE = 0.025

# Bytes of a batch, unless its first operation has more: with what a database writes besides, a commit of them is over
# well within a second on a slow disk.
MOST_BYTES = 1024 * 1024

# From so many bytes on an operation is a large one.
LARGE = 64 * 1024


@dataclass(slots=True, eq=False)
class _Waiter(Generic[Operation, Answer]):
    """One operation, who waits for it, until when (loop time) it is issued again, and how many bytes it writes beyond
    what every operation does. ``unsure``: the store is asked just now, or was so that nobody knows what it did."""

    operation: Operation
    answer: asyncio.Future[Answer]
    deadline: float
    weight: int
    unsure: bool = False

    def tell(self, outcome: Outcome[Answer]) -> None:
        if self.answer.done():
            return
        if isinstance(outcome, StoreUnavailable):
            self.answer.set_exception(StoreUnavailable(str(outcome), unsure=self.unsure))
        elif isinstance(outcome, Exception):
            self.answer.set_exception(outcome)
        else:
            self.answer.set_result(outcome)


class GroupCommit(Generic[Operation, Answer]):
    """Commits operations in the order of their arrival, at most ``limit`` together and ``MOST_BYTES``, one commit at a
    time; the large ones among themselves.

    ``deadline``: how long an operation is issued again. ``heard_by``: when who submitted it hears of it at the latest,
    for a store whose commits may take any time; unset: when its last commit has ended.
    """

    def __init__(
        self,
        commit: Commit[Operation, Answer],
        *,
        deadline: timedelta,
        heard_by: timedelta | None = None,
        limit: int = 256,
        meter: Meter | None = None,
    ) -> None:
        self._commit = commit
        self._patience = deadline.total_seconds()
        self._heard_by = heard_by
        self._limit = limit
        self._meter = meter
        self._waiting: deque[_Waiter[Operation, Answer]] = deque()
        self._large: deque[_Waiter[Operation, Answer]] = deque()
        # Whose turn it is, where both wait.
        self._large_next = False
        self._resting: dict[_Waiter[Operation, Answer], asyncio.TimerHandle] = {}
        self._draining: asyncio.Task[None] | None = None
        # Whether the newest commit came so far as to ask the store for something.
        self._reached = False
        self._closed = False

    async def submit(self, operation: Operation, weight: int = 0) -> Answer:
        """The operation's answer, heard only after its commit; ``StoreUnavailable`` when the deadline has passed.
        ``weight``: bytes that it writes beyond what every operation does."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        waiter = _Waiter(operation, answer, loop.time() + self._patience, weight)
        self._enqueue(waiter)
        if self._heard_by is None:
            return await waiter.answer
        # A commit under way is not called off, for it may have been done: only nobody waits for it any more.
        late = StoreUnavailable("the store did not answer in time")
        timer = loop.call_later(self._heard_by.total_seconds(), waiter.tell, late)
        try:
            return await waiter.answer
        finally:
            timer.cancel()

    async def close(self) -> None:
        """Commits what has arrived, tells those who rest between two attempts, and takes nothing more."""
        self._closed = True
        while self._draining is not None:
            await self._draining
        for waiter, timer in self._resting.items():
            timer.cancel()
            waiter.tell(StoreUnavailable("the store was closed before it answered"))
        self._resting.clear()

    def _enqueue(self, waiter: _Waiter[Operation, Answer]) -> None:
        self._resting.pop(waiter, None)
        (self._large if waiter.weight >= LARGE else self._waiting).append(waiter)
        if self._draining is None:
            self._draining = asyncio.get_running_loop().create_task(self._drain())

    async def _drain(self) -> None:
        try:
            while self._waiting or self._large:
                batch = self._next_batch()
                fault = await self._issue(batch)
                if fault is not None:
                    await self._one_by_one(batch, fault)
        finally:
            self._draining = None

    def _next_batch(self) -> list[_Waiter[Operation, Answer]]:
        """The oldest operations whose callers still wait: one cancelled before it was issued is not issued."""
        large = bool(self._large) and (self._large_next or not self._waiting)
        self._large_next = not large
        queue = self._large if large else self._waiting
        batch: list[_Waiter[Operation, Answer]] = []
        room = MOST_BYTES
        while queue and len(batch) < self._limit and (queue[0].weight <= room or not batch):
            waiter = queue.popleft()
            if not waiter.answer.done():
                batch.append(waiter)
                room -= waiter.weight
        return batch

    async def _issue(self, batch: Sequence[_Waiter[Operation, Answer]]) -> Exception | None:
        """Commits a batch and tells everybody, or returns why nobody could be told anything."""
        if not batch:
            return None
        doubted = [waiter for waiter in batch if waiter.unsure]
        begun = partial(self._begun, batch)
        self._reached = False
        try:
            outcomes = await self._commit([waiter.operation for waiter in batch], begun)
        except Exception as fault:  # noqa: BLE001 - whatever it is, those who wait must hear of it
            _doubt(batch, unsure=isinstance(fault, StoreUnavailable) and fault.unsure)
            _doubt(doubted, unsure=True)
            return fault
        for waiter, outcome in zip(batch, outcomes, strict=True):
            waiter.tell(outcome)
        if self._meter is not None:
            self._meter(len(batch))
        return None

    def _begun(self, batch: Sequence[_Waiter[Operation, Answer]]) -> None:
        self._reached = True
        _doubt(batch, unsure=True)

    async def _one_by_one(self, batch: Sequence[_Waiter[Operation, Answer]], fault: Exception) -> None:
        unavailable = isinstance(fault, StoreUnavailable)
        together = len(batch) == 1 or (unavailable and not self._reached)
        for waiter in batch:
            own_fault: Exception | None = fault
            if not together and not (unavailable and self._is_late(waiter)):
                own_fault = await self._issue([waiter])
            if own_fault is not None:
                self._again_or_tell(waiter, own_fault)

    def _again_or_tell(self, waiter: _Waiter[Operation, Answer], fault: Exception) -> None:
        if not isinstance(fault, StoreUnavailable) or self._closed or self._is_late(waiter):
            waiter.tell(fault)
            return
        # It rests out of the queue, so that those who come meanwhile are served if they can be.
        timer = asyncio.get_running_loop().call_later(_PAUSE, self._enqueue, waiter)
        self._resting[waiter] = timer

    def _is_late(self, waiter: _Waiter[Operation, Answer]) -> bool:
        return asyncio.get_running_loop().time() + _PAUSE >= waiter.deadline


def _doubt(waiters: Sequence[_Waiter[Operation, Answer]], *, unsure: bool) -> None:
    for waiter in waiters:
        waiter.unsure = unsure
