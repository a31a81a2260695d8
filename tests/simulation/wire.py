"""The network between gateways and their stores: how long a trip takes, and how it goes wrong.

A trip that fails may have had its effect, have none, or have it later still: whoever made it hears the same.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from random import Random
from typing import TypeVar

from gateway.errors import GatewayError, StoreUnavailable
from tests.simulation.chronicle import Chronicle
from tests.simulation.loop import Place, VirtualLoop
from tests.simulation.script import MIXED, Trouble

Result = TypeVar("Result")

# How long a server whose answer was lost seems silent, before the connection is seen to be broken.
SILENCE = (0.02, 3.0)


class Wire:
    """Every line of one history."""

    def __init__(self, loop: VirtualLoop, world: Place, chance: Random, chronicle: Chronicle) -> None:
        self.loop = loop
        self.chance = chance
        self._world = world
        self._chronicle = chronicle
        self.troubles: list[Trouble] = []

    def after(self, seconds: float, act: Callable[[], object]) -> None:
        """Something happens out there."""
        self.loop.call_later(seconds, act, context=self._world.context)

    def latency(self) -> float:
        """One way, in seconds."""
        return 0.0002 + 0.003 * self.chance.random()

    def trouble(self, where: str, gateway: int) -> str:
        """What goes wrong with the next trip, ``""`` where nothing does."""
        now = self.loop.time()
        for each in self.troubles:
            if each.where == where and each.at <= now < each.until and each.gateway in (None, gateway):
                kind = self.chance.choice(MIXED[where]) if each.kind == "mixed" else each.kind
                return kind if self.chance.random() < each.chance else ""
        return ""

    async def trip(
        self,
        where: str,
        gateway: int,
        effect: Callable[[], Result],
        begun: Callable[[], None] = lambda: None,
        late: Callable[[], Callable[[], object]] | None = None,
    ) -> Result:
        """``effect`` happens over there. ``begun``: called when it may; ``late``: makes the effect that is too late."""
        kind = self.trouble(where, gateway)
        if kind:
            self._chronicle.tell(f"gateway {gateway}", f"trip to the {where}: {kind}")
        if kind == "refused":
            await asyncio.sleep(self.latency())
            raise StoreUnavailable(f"the {where} refuses connections")
        begun()
        answer: asyncio.Future[Result] = self.loop.create_future()

        def there(act: Callable[[], Result], *, is_heard: bool) -> None:
            tell: Callable[[], None]
            try:
                tell = partial(answer.set_result, act())
            except GatewayError as fault:
                tell = partial(answer.set_exception, fault)
            if is_heard:
                self._back(answer, tell)

        def broken() -> None:
            if not answer.done():
                answer.set_exception(StoreUnavailable(f"the connection to the {where} broke", unsure=True))

        self._go(kind, there, effect, late, broken)
        return await answer

    def _go(
        self,
        kind: str,
        there: Callable[..., None],
        effect: Callable[[], Result],
        late: Callable[[], Callable[[], object]] | None,
        broken: Callable[[], None],
    ) -> None:
        out, silence = self.latency(), self.chance.uniform(*SILENCE)
        match kind:
            case "request lost":
                self.after(out + silence, broken)
            case "reply lost":
                if late is not None:
                    self._chronicle.reached["ambiguous commit"] += 1
                self.after(out, lambda: there(effect, is_heard=False))
                self.after(out + silence, broken)
            case "late":
                act = effect if late is None else late()
                self.after(out + silence, broken)
                self.after(out + silence + self.chance.uniform(0.01, 6), lambda: there(act, is_heard=False))
            case "slow":
                self.after(out + self.chance.uniform(0.04, 2.5), lambda: there(effect, is_heard=True))
            case _:
                self.after(out, lambda: there(effect, is_heard=True))

    def _back(self, answer: "asyncio.Future[Result]", tell: Callable[[], None]) -> None:
        self.after(self.latency(), lambda: None if answer.done() else tell())
