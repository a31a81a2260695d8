"""One history: a world made of its script, played to its end, and judged.

After the last fault everything heals; then leases run out, and every call comes to its end.
"""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any, assert_never

from gateway.protocol.terms import OnUnknown
from tests.simulation import actors, operators, script
from tests.simulation.actors import Fleet
from tests.simulation.chronicle import Call, Chronicle
from tests.simulation.database import Database
from tests.simulation.front import Fronts
from tests.simulation.gateway import Life, Surroundings
from tests.simulation.inquiring import Log
from tests.simulation.loop import VirtualLoop
from tests.simulation.script import (
    SHORT,
    Client,
    Crash,
    Decide,
    Drain,
    Forget,
    FrontFault,
    Mood,
    Pause,
    Script,
    Trouble,
)
from tests.simulation.upstream import Api
from tests.simulation.wire import Wire

# Seconds after the last fault and the last call: a sweep, a lease and the settlements that were still to be written.
AFTERWARDS = 80.0


@dataclass(slots=True)
class Ended:
    """A history that was played."""

    script: Script
    chronicle: Chronicle
    around: Surroundings
    fleet: Fleet


def play(plan: Script, *, telling: bool = False) -> Ended:
    """Plays a script to its end."""
    return _Stage(plan, telling=telling).play()


class _Stage:
    """Where a history is played."""

    def __init__(self, plan: Script, *, telling: bool) -> None:
        self._plan = plan
        chance = Random(f"world {plan.chance}")
        self._loop = VirtualLoop(Random(f"schedule {plan.chance}"))
        self._world = self._loop.place("world")
        self._loop.set_exception_handler(self._unhandled)
        self._chronicle = Chronicle(self._loop.time, telling)
        wire = Wire(self._loop, self._world, Random(f"wire {plan.chance}"), self._chronicle)
        database = Database(wire, self._chronicle)
        fronts = Fronts(wire, plan.gateways, Random(f"front {plan.chance}")) if plan.tiered else None
        moods = {(item.key, item.nth): item.kind for item in plan.items if isinstance(item, Mood)}
        api = Api(wire, self._chronicle, moods)
        for key, route in enumerate(plan.routes):
            if route.policy.terms.on_unknown is OnUnknown.RETRY and route.policy.upstream_retention is not None:
                api.remembers[key] = route.policy.upstream_retention.total_seconds()
        # A key that was forgotten means another call, and its question is not answered with the call before.
        life = SHORT.response + SHORT.key if plan.routes[0].policy.retention == SHORT else timedelta(days=1)
        log = Log(api, Random(f"log {plan.chance}"), life.total_seconds() - 5)
        self._around = Surroundings(
            self._loop, wire, chance, self._chronicle, database, fronts, api, log, plan.routes, plan.recent
        )
        self._fleet = Fleet(self._around, plan.chance, [None] * plan.gateways)
        self._names = [0] * plan.gateways
        self._lost = Random(f"lost words {plan.chance}")
        self._ends = plan.lasts
        # Stops that wait for their moment.
        self._waiting: list[Crash | Pause] = []
        self._chronicle.moment = self._moment

    def play(self) -> Ended:
        """From the first start to the last word."""
        self._around.database.words.append(self._word)
        self._around.database.forgettings.append(self._forgotten)
        self._world.context.run(self._begin)
        self._loop.play()
        return Ended(self._plan, self._chronicle, self._around, self._fleet)

    def _begin(self) -> None:
        for number in range(self._plan.gateways):
            self._start(number)
        for item in self._plan.items:
            self._arrange(item)
        self._after(self._ends + AFTERWARDS, self._end)

    def _end(self) -> None:
        """Once nobody has called for a while either."""
        calls = self._chronicle.calls
        quiet = self._loop.time() - (calls[-1].begun if calls else 0)
        if quiet >= AFTERWARDS:
            self._loop.ended = True
        else:
            self._after(AFTERWARDS - quiet + 0.01, self._end)

    def _after(self, seconds: float, act: Any, *arguments: Any) -> None:  # noqa: ANN401
        self._around.wire.after(seconds, partial(act, *arguments))

    def _until(self, at: float) -> None:
        """The last fault is no earlier."""
        self._ends = max(self._ends, at)

    def _arrange(self, item: script.Item) -> None:
        match item:
            case Client():
                self._loop.spawn(self._world, actors.client(item, self._fleet))
            case Forget():
                self._loop.spawn(self._world, operators.forgetter(item, self._fleet))
            case Decide():
                self._loop.spawn(self._world, operators.decider(item, self._fleet))
            case Crash() | Pause():
                self._after(item.at, self._arm, item)
            case Drain():
                self._after(item.at, self._drain, item)
            case Trouble():
                self._around.wire.troubles.append(item)
                self._until(item.until)
            case FrontFault():
                self._after(item.at, self._front, item)
            case Mood():
                pass
            case _:
                assert_never(item)

    def _start(self, number: int) -> None:
        if self._fleet.lives[number] is None:
            self._names[number] += 1
            name = f"gateway {number}" + "'" * (self._names[number] - 1)
            self._fleet.lives[number] = Life(number, name, self._around)

    def _arm(self, item: Crash | Pause) -> None:
        life = self._fleet.lives[item.gateway]
        if item.moment:
            self._waiting.append(item)
        elif life is not None:
            life.place.stop_after(item.after, lambda: self._world.context.copy().run(self._strike, item, life))

    def _moment(self, moment: str, call: Call) -> None:
        life = self._fleet.lives[call.at]
        due = [item for item in self._waiting if item.moment == moment]
        if due and life is not None and life.name == call.gateway:
            self._waiting.remove(due[0])
            self._loop.call_soon(self._strike, due[0], life, context=self._world.context)

    def _strike(self, item: Crash | Pause, life: Life) -> None:
        if self._fleet.lives[life.number] is not life or life.place.paused:
            return
        if isinstance(item, Crash):
            self._chronicle.reached["crash"] += 1
            self._stopped(life, item.down)
            life.die()
            self._fleet.lives[life.number] = None
            self._after(item.down, self._start, life.number)
        else:
            self._chronicle.reached["pause"] += 1
            self._stopped(life, item.seconds)
            self._chronicle.tell(life.name, f"STANDS STILL for {item.seconds:.3f} s")
            self._loop.pause(life.place, item.seconds, self._world)

    def _stopped(self, life: Life, seconds: float) -> None:
        now = self._loop.time()
        self._chronicle.stops.append((life.number, now, now + seconds))
        self._until(now + seconds)

    def _drain(self, item: Drain) -> None:
        life = self._fleet.lives[item.gateway]
        if life is not None and life.listens:
            self._chronicle.reached["drain"] += 1
            life.drain(item.grace, partial(self._drained, item, life, self._loop.time()))

    def _drained(self, item: Drain, life: Life, begun: float) -> None:
        if self._fleet.lives[item.gateway] is life:
            self._chronicle.stops.append((item.gateway, begun, self._loop.time()))
            life.die()
            self._fleet.lives[item.gateway] = None
            self._after(item.down, self._start, item.gateway)

    def _front(self, item: FrontFault) -> None:
        if self._around.fronts is not None:
            self._chronicle.tell("front", item.kind.upper())
            self._chronicle.reached[f"front: {item.kind}"] += 1
            self._around.fronts.suffer(item.kind)

    def _word(self, record_id: Any) -> None:  # noqa: ANN401
        """Postgres notifies, and a notification may be lost."""
        wire = self._around.wire
        for life in self._fleet.lives:
            if life is not None and wire.chance.random() < 0.8:
                wire.after(wire.latency(), partial(life.hear, partial(life.line.watches.tell, record_id)))

    def _forgotten(self, record_id: Any) -> None:  # noqa: ANN401
        """The same of a forgetting, for those who keep answers."""
        if not self._plan.recent:
            return
        for life in self._fleet.lives:
            if life is not None and self._lost.random() < 0.6:
                tell = partial(life.hear, partial(life.line.followers.forgotten, record_id))
                self._around.wire.after(self._around.wire.latency(), tell)

    def _unhandled(self, _: object, context: dict[str, Any]) -> None:
        self._chronicle.faults.append(f"nobody handled: {context.get('message')}: {context.get('exception')!r}")
