"""Those who keep answers beside a store, and word for them of what is forgotten (``ports.Keeper``, K1 and K2).

Knows that word comes over a connection which ends, and has another one made then, for as long as anybody follows.
Refuses to know what carries the word, and what is kept.
"""

import asyncio
from collections.abc import Awaitable, Callable

from gateway.ports import Keeper
from gateway.protocol.model import RecordId

# Seconds until word is asked for again, doubling while there is none to be had.
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0

# Called with what to do when word comes from now on; returns when it has ended, at once where there is none.
Listening = Callable[[Callable[[], None]], Awaitable[None]]


class Followers:
    """Everybody in this process who keeps answers of one store. ``listening``: ``None`` where none ever comes."""

    def __init__(self, listening: Listening | None = None) -> None:
        self._listening = listening
        self._keepers: list[Keeper] = []
        self._task: asyncio.Task[None] | None = None
        self._begun = False

    def follow(self, keeper: Keeper) -> None:
        """One more, told from now on."""
        self._keepers.append(keeper)
        if self._listening is not None and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._keep_up(self._listening))

    def forgotten(self, record_id: RecordId) -> None:
        """Law K1: here or elsewhere."""
        for keeper in self._keepers:
            keeper.forgotten(record_id)

    async def close(self) -> None:
        """Afterwards nobody is told anything."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _keep_up(self, listening: Listening) -> None:
        pause = FIRST_PAUSE
        while True:
            await listening(self._begin)
            if self._begun:
                self._begun, pause = False, FIRST_PAUSE
                self._tell(others=False)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _begin(self) -> None:
        self._begun = True
        self._tell(others=True)

    def _tell(self, *, others: bool) -> None:
        for keeper in self._keepers:
            keeper.heeds(others=others)
