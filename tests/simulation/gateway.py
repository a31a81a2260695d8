"""One life of a gateway: the real exchanges, tiers and sweeping in a process that can be killed, paused and drained.

Composes them as ``wiring`` does, and stands in for the edge as ``edge.app`` has it: a claim for each request, a reply
for each exchange, and a downstream that may be gone.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from gateway.errors import OutcomeUnknown, StoreUnavailable
from gateway.policies.admission import claim_for
from gateway.policies.routing import Route
from gateway.policies.templates import Gap
from gateway.ports import Calls, Outgoing
from gateway.protocol.commands import Command, Reply, Streamed
from gateway.protocol.events import CallerGone, Event
from gateway.protocol.exchange import Call as Asked
from gateway.protocol.fingerprint import Digester, RequestFacts
from gateway.protocol.terms import OnConflict, OnUnknown
from gateway.registry import Records
from gateway.runner.exchanges import Errand, Exchange, Exchanges, Ports
from gateway.runner.reconciling import Reconciling
from gateway.runner.sweeping import keep_sweeping
from gateway.stores.recent import Recent
from gateway.stores.tiered import TieredStore
from gateway.wiring.asking import LAST_INQUIRIES
from tests.simulation import database, front, line
from tests.simulation.chronicle import CALL, Call, Chronicle
from tests.simulation.inquiring import Inquirer, Log
from tests.simulation.loop import VirtualLoop
from tests.simulation.observing import LoopClock, Watcher
from tests.simulation.upstream import Api, Hop
from tests.simulation.wire import Wire

DIGESTER = Digester(database.SECRET)


@dataclass(slots=True)
class Surroundings:
    """What every gateway of a history is in."""

    loop: VirtualLoop
    wire: Wire
    chance: Random
    chronicle: Chronicle
    database: database.Database
    fronts: front.Fronts | None
    api: Api
    log: Log
    routes: tuple[Route, ...]
    recent: bool = False


# Seconds that a gateway keeps what it replayed, as the settings have it.
LONGEST = 10.0


@dataclass(frozen=True, slots=True)
class Payload:
    """A request's body."""

    text: bytes

    @property
    def size(self) -> int:
        """In bytes."""
        return len(self.text)

    def chunks(self) -> tuple[bytes, ...]:
        """All of it."""
        return (self.text,)


def facts(caller: str, payload: str) -> RequestFacts:
    """What a request's identity is made of."""
    return RequestFacts(b"POST", b"/charges", ((b"Authorization", caller.encode()),), Payload(payload.encode()))


class Watched(Exchange):
    """An exchange that tells which events met which states."""

    __slots__ = ("_chronicle", "told")

    def watch(self, chronicle: Chronicle, told: Call) -> None:
        """From now on."""
        self._chronicle = chronicle
        self.told = told

    def _feed(self, event: Event) -> Command | None:
        before = self._state
        command = super()._feed(event)
        told = self.told
        self._chronicle.exchange[type(before).__name__, type(event).__name__] += 1
        if self._chronicle.telling:
            change = f"{type(before).__name__} -> {type(self._state).__name__}"
            self._chronicle.tell(told.gateway, f"call {told.number} ({told.slot}): {_brief(event)}: {change}")
        return command


def _brief(event: Event) -> str:
    inside = getattr(event, "verdict", None) or getattr(event, "answer", None)
    told = getattr(event, "status", None) or getattr(event, "reason", "")
    return f"{type(event).__name__}({type(inside).__name__ if inside else told})"


@dataclass(slots=True, eq=False)
class Visit:
    """A request that a gateway is at."""

    call: Call
    exchange: Exchange
    task: "asyncio.Task[None] | None" = None


class Life:
    """A process from its start to its end. ``name`` has a stroke for each life before."""

    def __init__(self, number: int, name: str, around: Surroundings) -> None:
        self.number = number
        self.name = name
        self.place = around.loop.place(name)
        self.listens = False
        self.visits: list[Visit] = []
        self._around = around
        self.line = line.Line(around.database, around.wire, number, self.place)
        observer, clock = Watcher(around.chronicle, name), LoopClock(around.loop)
        self.store: Records = self.line
        if around.fronts is not None:
            way = front.Line(around.fronts, around.wire, number, around.chronicle)
            self.store = TieredStore(self.line, way, observer, clock)
        self._observer = observer
        calls: Calls = self.store
        if around.recent:
            calls = recent = Recent(self.store, clock, observer, 1024 * 1024, LONGEST)
            self.store.follow(recent)
            recent.heeds(others=True)
        self.exchanges = Exchanges(Ports(calls, Hop(around.api), observer, clock))
        pauses = Random(f"pauses {name}")
        self._reconciling = Reconciling(self.store, Inquirer(around.log, name), observer, around.routes, pauses.random)
        around.chronicle.tell(name, "starts")
        around.loop.spawn(self.place, self._serve())

    async def _serve(self) -> None:
        while not self.listens:
            try:
                await self.store.digest_keys([database.SECRET])
                self.listens = True
            except StoreUnavailable:
                await asyncio.sleep(1)
        self._reconciling.start()
        await keep_sweeping(self.store, self._observer)

    def hear(self, tell: Callable[[], object]) -> None:
        """Runs ``tell`` in this process, as its next step."""
        self._around.loop.call_soon(tell, context=self.place.context)

    def die(self) -> None:
        """Between two steps, wherever it was."""
        self._around.chronicle.tell(self.name, f"DIES with {self.exchanges.under_way} calls under way")
        self.listens = False
        self._cut()
        self._around.loop.kill(self.place)

    def _cut(self) -> None:
        for exchange in self.exchanges._tasks.values():
            if isinstance(exchange, Watched):
                exchange.told.cut = True

    def drain(self, grace: float, ended: Callable[[], None]) -> None:
        """Is told to end, and does."""
        self._around.chronicle.tell(self.name, f"is told to end within {grace} s, {len(self.visits)} calls under way")
        self._cut()

        async def end() -> None:
            self.exchanges.closing = True
            await self.exchanges.drain(grace)
            await self._reconciling.stop(LAST_INQUIRIES)
            await self.store.close()
            self._around.wire.after(0, ended)

        self._around.loop.spawn(self.place, end())

    def take(self, call: Call, answered: Callable[[Reply], None]) -> Visit:
        """A request that has arrived here."""
        around, context = self._around, self.place.context.copy()
        around.chronicle.calls.append(call)
        around.api.calls[call.number] = call
        context.run(CALL.set, call.number)
        exchanges = self.exchanges
        exchange = context.run(Watched, exchanges, exchanges._ports, self._errand(call), closing=exchanges.closing)
        exchange.watch(around.chronicle, call)
        context.run(exchanges.spawn, exchange.run(), exchange)
        visit = Visit(call, exchange)
        self.visits.append(visit)
        visit.task = around.loop.create_task(self._answer(visit, answered), context=context)
        return visit

    async def _answer(self, visit: Visit, answered: Callable[[Reply], None]) -> None:
        call, exchange, around = visit.call, visit.exchange, self._around
        try:
            reply = await exchange.reply
        except asyncio.CancelledError:
            exchange.abandon()
            raise
        finally:
            self.visits.remove(visit)
        call.reply, call.replied = reply, around.loop.time()
        around.chronicle.tell(self.name, f"answers call {call.number}: {reply.response.status} {reply.outcome}")
        around.wire.after(around.wire.latency(), lambda: answered(reply))
        if isinstance(reply.response, Streamed) and exchange.answer is not None:
            try:
                async for _ in exchange.answer.stream():
                    pass
            except OutcomeUnknown:
                exchange.answer.close()

    def hung_up(self, visit: Visit, *, cancelled: bool) -> None:
        """The caller is gone. ``cancelled``: and the server ends what serves him."""
        if visit not in self.visits:
            return
        self._around.chronicle.tell(self.name, f"finds the caller of call {visit.call.number} gone")
        terms = self._around.routes[visit.call.key].policy.terms
        if cancelled and visit.task is not None:
            visit.call.left = True
            visit.task.cancel()
        elif terms.on_unknown is OnUnknown.FAIL or terms.on_conflict is OnConflict.WAIT:
            visit.exchange.tell(CallerGone())

    def _errand(self, call: Call) -> Errand:
        """As the edge makes it."""
        around, route = self._around, self._around.routes[call.key]
        about = facts(call.caller, call.payload)
        key, reconcile = f"key-{call.key}", route.policy.reconcile
        left = None if reconcile is None else reconcile.leave(about, key)
        assert not isinstance(left, Gap)
        claim = claim_for(route, DIGESTER, about, key, around.chance.randbytes(16), left)
        around.chronicle.slots[claim.id] = call.slot
        around.chronicle.owners[claim.owner] = call
        terms = route.policy.terms
        dated = ((b"Date", b"a date"),) if terms.on_unknown is OnUnknown.FAIL else ()
        asked = Asked(f"urn:idempotency-gateway:record:{claim.id}", terms, date=dated)
        headers = ((b"X-Call", str(call.number).encode()),)
        body = (call.payload.encode(),)
        return Errand(asked, claim, route, lambda _: Outgoing("POST", b"/charges", headers, body))
