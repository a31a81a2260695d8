"""Whether what is exported arrives: told once when it does not any more, and once when it does again.

Exports happen in threads of their own, which must never wait for anybody; what they find out is told in the loop.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress

from gateway.ports import Observer
from gateway.protocol.observations import ExportBack, ExportLost

_DETAIL = "the collector did not take what was exported; calls go on, and what is not taken is lost"


class Reach:
    """The way to the collector for one signal."""

    def __init__(self, signal: str, observer: Observer) -> None:
        self._signal = signal
        self._observer = observer
        self._loop = asyncio.get_running_loop()
        self._lost = False

    def heard(self, *, arrived: bool) -> None:
        """From any thread: an export has ended."""
        # A loop that is closed has nobody who would listen.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._turn, not arrived)

    def _turn(self, lost: bool) -> None:
        if lost != self._lost:
            self._lost = lost
            self._observer.observe(ExportLost(self._signal, _DETAIL) if lost else ExportBack(self._signal))


def apart(work: Callable[[], object]) -> asyncio.Future[None]:
    """``work`` in a thread that nobody has to wait for, not even the end of the process; done when it has ended."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def tell() -> None:
        if not ended.done():
            ended.set_result(None)

    def run() -> None:
        try:
            work()
        finally:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(tell)

    threading.Thread(target=run, name="telemetry", daemon=True).start()
    return ended
