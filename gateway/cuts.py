"""Cutting a task short: what it awaits inside a block is cancelled from outside, on a word or by a clock.

``asyncio.timeout`` without its coroutines, which every call would pay for several times. A cancellation that comes from
elsewhere stays what it is (``Task.uncancel``). Knows tasks; refuses to know why anybody is cut short.
"""

import asyncio
from types import TracebackType
from typing import Any


class Cut:
    """One block of one task; used once. ``made``: it was cut short, so that the block raises ``fault()``."""

    __slots__ = ("_before", "_task", "made")

    def __init__(self) -> None:
        self.made = False
        self._task: asyncio.Task[Any] | None = None

    def fault(self) -> Exception:
        """What the block raises where it was cut short."""
        return TimeoutError()

    def cut(self) -> None:
        """Ends the block. Nothing happens the second time, nor before the block and behind it."""
        if self._task is not None and not self.made:
            self.made = True
            self._task.cancel()

    def __enter__(self) -> None:
        task = self._task = asyncio.current_task()
        assert task is not None  # noqa: S101 - whoever awaits is a task
        self._before = task.cancelling()

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        # It was still running; nobody else takes it away.
        if self.made and task is not None and task.uncancel() <= self._before and kind is asyncio.CancelledError:
            raise self.fault() from fault


class Within(Cut):
    """A block that ends after ``seconds``, with ``TimeoutError``."""

    __slots__ = ("_seconds", "_timer")

    _timer: asyncio.TimerHandle

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def extend(self, seconds: float) -> None:
        """From now on it is ``seconds`` until the end. Nothing happens behind the block."""
        if self._task is not None:
            self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_later(seconds, self.cut)

    def __enter__(self) -> None:
        super().__enter__()
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self.cut)

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        super().__exit__(kind, fault, trace)
