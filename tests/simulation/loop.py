"""An event loop whose time is virtual and whose schedule is drawn from a seed.

Knows places: processes that run beside each other. Each runs its own steps in the order in which they came, as any
asyncio loop promises; which place runs its next step is chance. A place can be stopped between any two steps, for a
while or for good: it never hears of it. Time stands still while anybody can run, and then jumps to the next timer.
Refuses to know sockets, threads and clocks.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, ContextVar
from random import Random
from typing import Any, TypeVarTuple

Arguments = TypeVarTuple("Arguments")

# More steps than any history needs: one that takes as many goes round in circles.
MOST_STEPS = 400_000


class Place:
    """A process, or the world outside of all of them. ``stop_after``: steps until ``stop`` is called."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ready: deque[asyncio.Handle] = deque()
        self.late: list[asyncio.Handle] = []
        self.paused = False
        self.dead = False
        self.stops: list[tuple[int, Callable[[], None]]] = []
        self.context = Context()
        self.context.run(_HERE.set, self)

    def stop_after(self, steps: int, stop: Callable[[], None]) -> None:
        """Calls ``stop`` when the place has run so many more steps."""
        self.stops.append((steps, stop))

    def stepped(self) -> None:
        """One step is done."""
        due = [stop for left, stop in self.stops if left <= 1]
        self.stops = [(left - 1, stop) for left, stop in self.stops if left > 1]
        for stop in due:
            stop()


_HERE: ContextVar[Place] = ContextVar("place")


def _here(context: Context | None) -> Place:
    """Where something runs that is asked for now, in ``context`` or the one that asks."""
    return _HERE.get() if context is None else context[_HERE]


class VirtualLoop(asyncio.BaseEventLoop):
    """A loop for one history."""

    def __init__(self, chance: Random) -> None:
        super().__init__()
        self._chance = chance
        self._now = 0.0
        self._timers: list[tuple[float, int, asyncio.TimerHandle, Place]] = []
        self._count = 0
        self._places: list[Place] = []
        self._tasks: list[tuple[asyncio.Task[Any], Place]] = []
        self.ended = False

    def place(self, name: str) -> Place:
        """A new one."""
        place = Place(name)
        self._places.append(place)
        return place

    def kill(self, place: Place) -> None:
        """Nothing more runs there, not even what would have cleaned up."""
        place.dead = True
        place.ready.clear()
        self._places.remove(place)

    def pause(self, place: Place, seconds: float, world: Place) -> None:
        """Time passes, and nothing runs there."""
        place.paused = True
        self.call_later(seconds, self._resume, place, context=world.context)

    def _resume(self, place: Place) -> None:
        # What came over the network is looked at before the timers, as every loop does it.
        place.ready.extend(place.late)
        place.late.clear()
        place.paused = False

    def spawn(self, place: Place, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Begins a task there."""
        return self.create_task(work, context=place.context)

    def time(self) -> float:
        """Virtual seconds since the history began."""
        return self._now

    def create_task(
        self,
        coro: Generator[Any, None, Any] | Coroutine[Any, Any, Any],
        *,
        name: object = None,
        context: Context | None = None,
    ) -> asyncio.Task[Any]:
        """A task that is remembered, so that the end of the history can close it."""
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, context=context)
        self._tasks.append((task, _here(context)))
        return task

    def call_soon(
        self, callback: Callable[[*Arguments], object], *args: *Arguments, context: Context | None = None
    ) -> asyncio.Handle:
        """The next step but those that were there before, in the place where it was asked for."""
        handle = asyncio.Handle(callback, args, self, context)
        place = _here(context)
        if not place.dead:
            place.ready.append(handle)
        return handle

    def call_later(
        self, delay: float, callback: Callable[[*Arguments], object], *args: *Arguments, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """As ``call_at``."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[*Arguments], object], *args: *Arguments, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """A timer in the place where it was asked for."""
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        self._count += 1
        heapq.heappush(self._timers, (when, self._count, timer, _here(context)))
        return timer

    def play(self) -> None:
        """Runs until ``ended``, or until nothing can happen any more; then closes what is left, in order."""
        asyncio._set_running_loop(self)
        try:
            for _ in range(MOST_STEPS):
                if self.ended or not self._step():
                    return
            raise AssertionError("the history goes round in circles")
        finally:
            self._close_tasks()
            asyncio._set_running_loop(None)
            self.close()

    def _step(self) -> bool:
        lively = [place for place in self._places if place.ready and not place.paused]
        while not lively:
            if not self._timers:
                return False
            self._ripen()
            lively = [place for place in self._places if place.ready and not place.paused]
        place = lively[0] if len(lively) == 1 else lively[int(self._chance.random() * len(lively))]
        handle = place.ready.popleft()
        if not handle.cancelled():
            handle._run()
            if place.stops:
                place.stepped()
        return True

    def _ripen(self) -> None:
        """Time jumps to the next timer, and to whatever else is due then."""
        timers = self._timers
        self._now = max(self._now, timers[0][0])
        while timers and timers[0][0] <= self._now:
            _, _, timer, place = heapq.heappop(timers)
            if not timer.cancelled() and not place.dead:
                (place.late if place.paused else place.ready).append(timer)

    def _close_tasks(self) -> None:
        for task, place in self._tasks:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                coroutine: Any = task.get_coro()
                coroutine.close()
            elif task._log_traceback and not place.dead:
                self.call_exception_handler({"message": "a task failed", "exception": task.exception()})
