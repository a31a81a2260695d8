"""Whether the downstream is still there, and the call that makes no sense without it.

An unguarded call is given up when its caller leaves, whatever it waits for; nothing else would tell it, because a
server's ``send`` says nothing once nobody listens. A guarded call runs to its end, and is told at most.
"""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import TracebackType

from gateway.edge.bodies import CallerHungUp


class Presence:
    """The downstream end of one connection; its calls are answered one after another."""

    __slots__ = ("_gone", "_limit", "_told")

    def __init__(self) -> None:
        self._gone = False
        self._told: Callable[[], None] | None = None
        self._limit: asyncio.Timeout | None = None

    @property
    def counts(self) -> bool:
        """Whether a call is under way that ends with the connection."""
        return self._limit is not None

    def leave(self) -> None:
        """The connection is gone."""
        self._gone = True
        if self._limit is not None:
            self._limit.reschedule(0)
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

    def required(self) -> "Required":
        """Cancels what is awaited inside when the caller leaves, and raises ``CallerHungUp`` then."""
        return Required(self)

    def begin(self) -> asyncio.Timeout:
        """A call begins that makes no sense without its caller."""
        self._limit = limit = asyncio.timeout(0 if self._gone else None)
        return limit

    def end(self) -> None:
        """It has ended."""
        self._limit = None


class Required:
    """``Presence.required``; a class, because a generator would cost each call several times as much."""

    __slots__ = ("_limit", "_presence")

    _limit: asyncio.Timeout

    def __init__(self, presence: Presence) -> None:
        self._presence = presence

    async def __aenter__(self) -> None:
        self._limit = self._presence.begin()
        await self._limit.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._presence.end()
        try:
            await self._limit.__aexit__(kind, fault, trace)
        except TimeoutError:
            raise CallerHungUp from None
