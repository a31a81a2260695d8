"""What lets callers in, out of a configuration: their keys, and what is kept up to date beside the calls."""

import asyncio
from collections.abc import Awaitable, Callable

from gateway.callers.key_ring import KeyRing
from gateway.edge.entrance import Entrance
from gateway.policies.callers import Entry
from gateway.ports import Observer
from gateway.protocol.observations import InternalFault

# Seconds before work that ended by a fault is begun again.
_AGAIN = 1.0


class Letting:
    """The entrance of one process, and its work in the background."""

    def __init__(self, entry: Entry, observer: Observer) -> None:
        self._observer = observer
        self._ring = KeyRing(entry.keys, observer)
        self.entrance = Entrance(entry, self._ring, observer)
        self._work: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Keys are kept as their files are, from now on."""
        self._work = [asyncio.create_task(self._kept(self._ring.keep_reading))]

    async def _kept(self, work: Callable[[], Awaitable[None]]) -> None:
        """Whatever happens to it, a key that was taken back stops counting: work that fails is begun again."""
        while True:
            try:
                return await work()
            except Exception as fault:  # noqa: BLE001 - told, and tried again
                self._observer.observe(InternalFault("", fault))
            await asyncio.sleep(_AGAIN)

    async def stop(self) -> None:
        """Ends the work in the background."""
        for task in self._work:
            task.cancel()
        if self._work:
            await asyncio.wait(self._work)
