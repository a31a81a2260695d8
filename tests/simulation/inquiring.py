"""The simulated upstream, asked what came of a call: it looks into its own log, where things show up late now and then.

Whoever asks may hear nothing, or something else than an answer. Keeps the laws of ``ports.Inquirer``.
"""

import asyncio
from random import Random

from gateway.policies.reconciling import Question, Told, Untold
from gateway.policies.routing import Target
from tests.simulation.asking import ABSENT, TOLD_AS
from tests.simulation.chronicle import Executed, Said
from tests.simulation.upstream import Api


class Log:
    """What the upstream tells of its calls. ``recent``: it lists what is younger, in seconds."""

    def __init__(self, api: Api, chance: Random, recent: float) -> None:
        self.api = api
        self.chance = chance
        self._recent = recent
        self._shown: dict[int, float] = {}

    def find(self, key: str, caller: str) -> Executed | None:
        """The newest that shows by now; one that it turned away was never there."""
        now = self.api.wire.loop.time()
        shows = [
            done
            for done in self.api.chronicle.executed
            if done.effect and (f"key-{done.call.key}", done.call.caller) == (key, caller)
            if self._shown_at(done) <= now < done.at + self._recent
        ]
        return shows[-1] if shows else None

    def _shown_at(self, done: Executed) -> float:
        if done.number not in self._shown:
            chance = self.chance
            late = chance.choice((0, 0, chance.uniform(0, 0.5), chance.uniform(0.5, 8), chance.uniform(8, 40)))
            self._shown[done.number] = done.at + late
        return self._shown[done.number]


class Inquirer:
    """``ports.Inquirer`` as one gateway has it."""

    def __init__(self, log: Log, gateway: str) -> None:
        self._log = log
        self._gateway = gateway

    async def ask(self, target: Target, question: Question, limit: int) -> Told | Untold:
        """Laws A1 to A3; ``target`` is the only one there is."""
        del target
        chance, wire = self._log.chance, self._log.api.wire
        await asyncio.sleep(wire.latency())
        manner = chance.choice(("well",) * 6 + ("slow", "silent", "refused", "failed"))
        if manner == "slow":
            await asyncio.sleep(chance.uniform(0, 1.5))
        heard = self._look(question, limit) if manner in ("well", "slow") else self._nothing(question, manner)
        await asyncio.sleep(question.timeout.total_seconds() if manner == "silent" else wire.latency())
        return heard

    def _nothing(self, question: Question, manner: str) -> Told | Untold:
        self._say(question, None, is_clear=False)
        return Told(503, (), b"") if manner == "failed" else Untold(manner)

    def _say(self, question: Question, done: Executed | None, *, is_clear: bool) -> None:
        key, caller = question.url.split("/")[-2:]
        chronicle = self._log.api.chronicle
        chronicle.said.append(Said(chronicle.now(), self._gateway, key, caller, done, is_clear))
        what = "knows nothing" if done is None else f"tells execution {done.number}"
        what = what if is_clear else "says nothing"
        chronicle.tell("upstream", f"asked by {self._gateway} about {key} of {caller}: {what}")

    def _look(self, question: Question, limit: int) -> Told | Untold:
        key, caller = question.url.split("/")[-2:]
        done = self._log.find(key, caller)
        self._say(question, done, is_clear=True)
        if done is None:
            return Told(ABSENT, (), b"")
        (told,) = [told for told, status in TOLD_AS.items() if status == done.answer.status]
        if len(done.answer.body) > limit:
            return Untold("too-large")
        return Told(told, done.answer.headers, done.answer.body)

    async def close(self) -> None:
        """Nothing to close."""
