"""Work that goes on beside the calls for as long as a process serves: begun again when it fails, ended in order."""

import asyncio
from collections.abc import Awaitable, Callable

from gateway.ports import Observer
from gateway.protocol.observations import InternalFault

# Seconds before work that ended by a fault is begun again.
_AGAIN = 1.0

Work = Callable[[], Awaitable[None]]


class Keeping:
    """Some work in the background."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, *work: Work) -> None:
        """Goes on from now on."""
        self._tasks += [asyncio.create_task(self._kept(each)) for each in work]

    async def stop(self) -> None:
        """Ends it."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _kept(self, work: Work) -> None:
        """Whatever happens to it, what was taken back stops counting: work that fails is begun again."""
        while True:
            try:
                return await work()
            except Exception as fault:  # noqa: BLE001 - told, and tried again
                self._observer.observe(InternalFault("", fault))
            await asyncio.sleep(_AGAIN)
