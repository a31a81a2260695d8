"""Whether the downstream is still there, and the call that makes no sense without it.

An unguarded call is given up when its caller leaves, whatever it waits for; nothing else would tell it, because a
server's ``send`` says nothing once nobody listens. A guarded call runs to its end, and is told at most.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager

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

    @asynccontextmanager
    async def required(self) -> AsyncGenerator[None]:
        """Cancels what is awaited inside when the caller leaves, and raises ``CallerHungUp`` then."""
        limit = asyncio.timeout(0 if self._gone else None)
        try:
            async with limit:
                self._limit = limit
                try:
                    yield
                finally:
                    self._limit = None
        except TimeoutError:
            if not limit.expired():
                raise
            raise CallerHungUp from None
