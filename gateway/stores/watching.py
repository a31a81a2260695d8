"""Calls that wait for one in flight: who waits for which record, and how they hear that it may have changed.

Knows records by their ids and those who wait for each. Word comes from whoever settled the record, in this process or
by a store's own way from another one; it is never a verdict, only a reason to ask again. Where no word comes (another
process, a connection that fell silent, a lease that ran out) one of those who wait for a record asks for all of them,
slowly: who wait together never poll together.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.protocol.model import RecordId

# Seconds between two looks at a record of which no word comes.
POLL = 1.0


@dataclass(slots=True, eq=False)
class _Group:
    """Those who wait for one record."""

    poll: float
    watches: list["Watch"] = field(default_factory=list["Watch"])
    timer: asyncio.TimerHandle | None = None
    # Who was sent to look.
    scout: "Watch | None" = None

    def tell(self) -> None:
        for watch in self.watches:
            watch.tell()

    def look(self) -> None:
        """Sends the one who has waited longest; while he is away nobody else goes."""
        if self.scout is None and self.watches:
            self.scout = self.watches.pop(0)
            self.watches.append(self.scout)
            self.scout.tell()
        self.timer = asyncio.get_running_loop().call_later(self.poll, self.look)


class Watch:
    """``ports.Watch``: one call's wait for a record."""

    __slots__ = ("_closed", "_group", "_leave", "_told")

    def __init__(self, group: _Group, leave: Callable[["Watch"], None]) -> None:
        self._group = group
        self._leave = leave
        self._told = asyncio.Event()
        self._closed = False

    def tell(self) -> None:
        """The record may have changed."""
        self._told.set()

    async def changed(self, seconds: float) -> None:
        """Returns when it may have changed since this was last asked, and after ``seconds`` at the latest."""
        if self._group.scout is self:
            # It had not.
            self._group.scout = None
        try:
            async with asyncio.timeout(seconds):
                await self._told.wait()
        except TimeoutError:
            return
        if not self._closed:
            self._told.clear()

    def close(self) -> None:
        """Waits no longer; may be repeated. Who was sent to look and does not come back has found something."""
        if self._closed:
            return
        self._closed = True
        self._leave(self)
        self.tell()
        if self._group.scout is self:
            self._group.scout = None
            self._group.tell()


class Watches:
    """Everybody who waits in this process."""

    def __init__(self, left: Callable[[RecordId], None] = lambda _: None, poll: float = POLL) -> None:
        """``left``: called when nobody waits for a record any more. ``poll``: seconds between two looks."""
        self._groups: dict[RecordId, _Group] = {}
        self._last_left = left
        self._poll = poll

    def __contains__(self, record_id: RecordId) -> bool:
        return record_id in self._groups

    def watch(self, record_id: RecordId) -> Watch:
        """One more who waits for the record."""
        group = self._groups.get(record_id)
        if group is None:
            group = self._groups[record_id] = _Group(self._poll)
            group.timer = asyncio.get_running_loop().call_later(self._poll, group.look)
        watch = Watch(group, lambda left: self._left(record_id, left))
        group.watches.append(watch)
        return watch

    def tell(self, record_id: RecordId) -> None:
        """The record was settled, here or elsewhere."""
        group = self._groups.get(record_id)
        if group is not None:
            group.tell()

    def _left(self, record_id: RecordId, watch: Watch) -> None:
        group = self._groups[record_id]
        group.watches.remove(watch)
        if not group.watches and group.timer is not None:
            group.timer.cancel()
            del self._groups[record_id]
            self._last_left(record_id)
