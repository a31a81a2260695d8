"""The simulated Redis in front: servers that hold bytes, and each gateway's line to the one that it sees.

What is written and opened are the real copies (``stores.redis.copies``); the commands do what the scripts beside them
say. A server may be emptied, restored from an old dump, or be another one for some of the gateways.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import TypeVar

from gateway.errors import StoreUnavailable
from gateway.ports import Hint
from gateway.protocol.fingerprint import Digester
from gateway.protocol.model import Completed, RecordId
from gateway.stores.redis.copies import Copies
from tests.simulation.chronicle import Chronicle
from tests.simulation.database import EPOCH
from tests.simulation.wire import Wire

Result = TypeVar("Result")
Held = tuple[bytes, float]


class Server:
    """One Redis; its clock is late by ``late`` seconds."""

    def __init__(self, wire: Wire, name: str, late: float) -> None:
        self._wire = wire
        self._late = late
        self._name = name
        self._starts = 1
        self.held: dict[bytes, Held] = {}

    @property
    def incarnation(self) -> str:
        """The process that answers."""
        return f"{self._name}{self._starts}"

    def restart(self, held: dict[bytes, Held]) -> None:
        """Another process, with what it found."""
        self._starts += 1
        self.held = dict(held)

    def get(self, place: bytes) -> bytes | None:
        """GET."""
        text, until = self.held.get(place, (b"", 0.0))
        return text if until > self._now() else None

    def set(self, place: bytes, text: bytes, until: float) -> None:
        """SET … PXAT."""
        self.held[place] = (text, until)

    def set_for(self, place: bytes, text: bytes, seconds: float) -> None:
        """SET … NX PX."""
        if self.get(place) is None:
            self.held[place] = (text, self._now() + seconds)

    def keep(self, place: bytes, gone: bytes, text: bytes, until: float) -> None:
        """``keep.lua``."""
        if self.get(place) != gone:
            self.set(place, text, until)

    def drop(self, place: bytes, gone: bytes) -> None:
        """``drop.lua``."""
        if self.get(place) != gone:
            self.held.pop(place, None)

    def _now(self) -> float:
        return self._wire.loop.time() - self._late


class Fronts:
    """Which server each gateway sees, and what happens to them."""

    def __init__(self, wire: Wire, gateways: int, chance: Random) -> None:
        late = chance.choice((0.0, 2.0))
        self.servers = [Server(wire, name, late) for name in "AB"]
        self.seen = [self.servers[0]] * gateways
        self._dump: dict[bytes, Held] = {}
        self._chance = chance
        self.was_split = False

    def suffer(self, kind: str) -> None:
        """One of the script's faults."""
        first, second = self.servers
        match kind:
            case "flush":
                for server in self.servers:
                    server.held.clear()
            case "dump":
                self._dump = dict(first.held)
            case "restore":
                first.restart(self._dump)
            case "split":
                self.was_split = True
                second.restart(first.held)
                self.seen = [self._chance.choice(self.servers) for _ in self.seen]
            case "heal":
                self.seen = [self._chance.choice(self.servers)] * len(self.seen)
            case "swap":
                self._swap(self.seen[0])
            case "flip":
                self._flip(self.seen[0])
            case _:
                raise ValueError(kind)

    def _swap(self, server: Server) -> None:
        if len(server.held) >= 2:
            one, other = self._chance.sample(sorted(server.held), 2)
            server.held[one], server.held[other] = server.held[other], server.held[one]

    def _flip(self, server: Server) -> None:
        for place, (text, until) in server.held.items():
            at = self._chance.randrange(len(text))
            server.held[place] = (text[:at] + bytes([text[at] ^ 1]) + text[at + 1 :], until)


class Line:
    """``ports.Front`` as one gateway has it."""

    def __init__(self, fronts: Fronts, wire: Wire, gateway: int, chronicle: Chronicle) -> None:
        self._fronts = fronts
        self._wire = wire
        self._gateway = gateway
        self._chronicle = chronicle
        self._met: tuple[Server, str] | None = None
        self._copies: Copies | None = None

    @property
    def incarnation(self) -> str | None:
        """Law F6."""
        return None if self._met is None else self._met[1]

    async def join(self, digester: Digester, *, accept_change: bool = False) -> None:
        """The role apart, which no simulated Redis has."""
        await self._trip(lambda _: None)
        self._copies = Copies.of(digester)

    async def recall(self, record_id: RecordId) -> Completed | Hint | None:
        """Law F1."""
        copies = self._joined()
        text = await self._trip(lambda server: server.get(record_id.digest))
        if text is None:
            return None
        copy = copies.read(record_id, text)
        if copy is None and text != copies.marker(record_id):
            self._chronicle.reached["copy that does not open"] += 1
        return copy

    async def keep(self, record: Completed) -> None:
        """Laws F3 and F5."""
        copies = self._joined()
        gone, text, until = copies.marker(record.id), copies.write_completed(record), _seconds(record.replay_until)
        await self._trip(lambda server: server.keep(record.id.digest, gone, text, until))

    async def hint(self, record_id: RecordId, hint: Hint, lifetime: timedelta) -> None:
        """Law F2."""
        text, lasts = self._joined().write_hint(record_id, hint), max(0.001, lifetime.total_seconds())
        await self._trip(lambda server: server.set_for(record_id.digest, text, lasts))

    async def drop(self, record_id: RecordId) -> None:
        """Law F5."""
        gone = self._joined().marker(record_id)
        await self._trip(lambda server: server.drop(record_id.digest, gone))

    async def drop_older(self, ids: Sequence[RecordId]) -> None:
        """Law F7: nothing is sealed here."""
        await self._trip(lambda _: None)

    async def erase(self, record_id: RecordId, until: datetime) -> None:
        """Law F5."""
        gone = self._joined().marker(record_id)
        await self._trip(lambda server: server.set(record_id.digest, gone, _seconds(until)))

    async def ping(self) -> None:
        """Whether it answers."""
        await self._trip(lambda _: None)

    async def close(self) -> None:
        """Nothing to close."""

    def _joined(self) -> Copies:
        if self._copies is None:
            raise StoreUnavailable("the front has not joined its authority yet")
        return self._copies

    async def _trip(self, command: Callable[[Server], Result]) -> Result:
        server = self._fronts.seen[self._gateway]
        line = (server, server.incarnation)
        if self._met != line:
            # A new connection tells first which server it is.
            self._met = await self._wire.trip("front", self._gateway, lambda: line)

        def there() -> Result:
            if line != (server, server.incarnation) or self._fronts.seen[self._gateway] is not server:
                raise StoreUnavailable("the connection to the front broke")
            return command(server)

        return await self._wire.trip("front", self._gateway, there)


def _seconds(instant: datetime) -> float:
    return (instant - EPOCH).total_seconds()
