"""Whether the downstream is still there, and the call that makes no sense without it.

An unguarded call is given up when its caller leaves, whatever it waits for; nothing else would tell it, because a
server's ``send`` says nothing once nobody listens. A guarded call runs to its end, and is told at most.
"""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from gateway.edge.bodies import CallerHungUp


class Presence:
    """The downstream end of one connection; its calls are answered one after another."""

    __slots__ = ("_gone", "_needing", "_told")

    def __init__(self) -> None:
        self._gone = False
        self._told: Callable[[], None] | None = None
        self._needing: _Required | None = None

    @property
    def counts(self) -> bool:
        """Whether a call is under way that ends with the connection."""
        return self._needing is not None

    def leave(self) -> None:
        """The connection is gone."""
        self._gone = True
        if self._needing is not None:
            self._needing.cut()
        if self._told is not None:
            self._told()

    @contextmanager
    def watched(self, told: Callable[[], None]) -> Generator[None]:
        """Calls ``told`` when the caller leaves meanwhile, or has left."""
        if self._gone:
            told()
        self._told = told
        try:
            yield
        finally:
            self._told = None

    def required(self) -> "_Required":
        """Cancels what is awaited inside when the caller leaves, and raises ``CallerHungUp`` then."""
        return _Required(self)

    def need(self, required: "_Required | None") -> None:
        """The call that ends with the connection; ``CallerHungUp`` where that is gone already."""
        if self._gone and required is not None:
            raise CallerHungUp
        self._needing = required


class _Required:
    """The task of one call, cancelled when its caller leaves: ``asyncio.timeout`` without a time, far cheaper.

    A cancellation that comes from elsewhere stays what it is (``Task.uncancel``).
    """

    __slots__ = ("_before", "_cut", "_presence", "_task")

    def __init__(self, presence: Presence) -> None:
        self._presence = presence
        self._cut = False

    def cut(self) -> None:
        if not self._cut:
            self._cut = True
            self._task.cancel()

    def __enter__(self) -> None:
        task: asyncio.Task[Any] | None = asyncio.current_task()
        assert task is not None  # noqa: S101 - a call is a task
        self._task, self._before = task, task.cancelling()
        self._presence.need(self)

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._presence.need(None)
        if self._cut and self._task.uncancel() <= self._before and kind is asyncio.CancelledError:
            raise CallerHungUp from None
