"""Clients of the gateways, who call and call again.

A client does as generic clients do: the same key for the same operation, again after whatever may be tried again, at
any gateway, impatient now and then.
"""

import asyncio
from dataclasses import dataclass
from functools import partial
from random import Random

from gateway.policies.policy import OnChange
from gateway.protocol.commands import Reply
from tests.simulation import script
from tests.simulation.chronicle import Call
from tests.simulation.gateway import DIGESTER, Life, Surroundings, Visit, facts

PATIENCE = 30.0
_TRIED_AGAIN = frozenset({409, 429, 500, 502, 503, 504})


@dataclass(slots=True)
class Fleet:
    """The gateways that live just now, and numbers for their calls."""

    around: Surroundings
    chance: str
    lives: list[Life | None]
    calls: int = 0

    def listening(self) -> list[Life]:
        """Those that take calls."""
        return [life for life in self.lives if life is not None and life.listens]


async def client(who: script.Client, fleet: Fleet) -> None:
    """Calls until the answer is final."""
    chance = Random(f"client {fleet.chance} {who.number}")
    await asyncio.sleep(who.at)
    for _ in range(who.tries):
        reply = await _call(who, fleet, chance)
        if reply is not None and reply.response.status not in _TRIED_AGAIN:
            return
        await asyncio.sleep(chance.choice((chance.uniform(0.01, 0.3), chance.uniform(0.3, 6), chance.uniform(6, 25))))


async def _call(who: script.Client, fleet: Fleet, chance: Random) -> Reply | None:
    lives = fleet.listening()
    if not lives:
        return None
    around, life = fleet.around, chance.choice(lives)
    answered: asyncio.Future[Reply] = around.loop.create_future()
    visit: list[Visit] = []

    def arrives() -> None:
        if life in fleet.listening():
            visit.append(life.take(_taken(who, fleet, life), tell))

    def tell(reply: Reply) -> None:
        if not answered.done():
            answered.set_result(reply)

    around.wire.after(around.wire.latency(), arrives)
    patience = PATIENCE if who.leaves is None else who.leaves
    try:
        async with asyncio.timeout(patience):
            return await answered
    except TimeoutError:
        for each in visit:
            life.hear(partial(life.hung_up, each, cancelled=chance.random() < 0.3))
        return None


def _taken(who: script.Client, fleet: Fleet, life: Life) -> Call:
    around = fleet.around
    policy = around.routes[who.key].policy
    separate = policy.on_change is OnChange.SEPARATE
    fleet.calls += 1
    call = Call(
        number=fleet.calls,
        slot=f"key-{who.key}/{who.caller}" if separate else f"key-{who.key}",
        key=who.key,
        caller=who.caller,
        payload=who.payload,
        at=life.number,
        gateway=life.name,
        begun=around.loop.time(),
        identity=DIGESTER.identity(facts(who.caller, who.payload), policy.recipe),
    )
    what = f"{call.slot}, caller {call.caller}, payload {call.payload!r}"
    around.chronicle.tell(f"client {who.number}", f"call {call.number} ({what}) arrives at {life.name}")
    return call
