"""Calls that wait for a place on a connection, the longest first.

Knows that word of a place is for one of them, and goes to the next where that one is given up. Refuses to know what
there is to wait for.
"""

import asyncio
from collections import deque

from gateway.errors import NotSent


class Waiting:
    """Those who wait."""

    def __init__(self) -> None:
        self._waiters: deque[asyncio.Future[None]] = deque()

    def __len__(self) -> int:
        return len(self._waiters)

    async def news(self) -> None:
        """Returns when there may be a place; raises ``NotSent`` where none will come about."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except BaseException:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            elif not waiter.cancelled() and waiter.exception() is None:
                self.tell_one()  # What was told to a call that is given up is for the next one.
            raise

    def tell_one(self) -> None:
        """There is a place."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def tell_all(self, fault: NotSent | None) -> None:
        """There are several, or ``fault``: why there will be none."""
        waiters, self._waiters = self._waiters, deque()
        for waiter in waiters:
            if waiter.done():
                continue
            if fault is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(NotSent(fault.reason, str(fault)))
