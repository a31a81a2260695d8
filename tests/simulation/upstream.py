"""The simulated API, and the hop to it: it logs what it does before it answers, and takes each request as it is told.

The hop keeps the laws of ``ports.Upstream``; that the real one does is for its own tests.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from random import Random

from gateway.errors import NotSent, OutcomeUnknown
from gateway.policies.routing import Target
from gateway.ports import Outgoing
from gateway.protocol.headers import Headers, values
from gateway.protocol.model import StoredResponse
from tests.simulation.chronicle import Call, Chronicle, Executed, Heard, Sent
from tests.simulation.script import MOST_KEPT
from tests.simulation.wire import Wire

TIMED_OUT = "the upstream cannot be reached in time"


@dataclass(frozen=True, slots=True)
class Turn:
    """How one request fares, by its mood's name: seconds, and what becomes of it."""

    connect: float = 0.001
    refused: bool = False
    arrives: float | None = 0.002
    executes: bool = True
    thinks: float = 0.01
    # "answer", "silence", "reset" or "cut"
    ends: str = "answer"
    status: int = 201
    size: int = 40
    content: bytes = b"application/json"


def turn(mood: str, chance: Random) -> Turn:
    """The turn that a mood gives a request."""
    return MOODS[mood](chance, chance.uniform(0.005, 0.4))


# What each mood means; ``quick`` is a moment.
MOODS: Mapping[str, Callable[[Random, float], Turn]] = {
    "plain": lambda _, quick: Turn(thinks=quick),
    "refused": lambda *_: Turn(refused=True),
    "unreachable": lambda *_: Turn(connect=60),
    "slow to connect": lambda chance, quick: Turn(connect=chance.uniform(0.3, 0.99), thinks=quick),
    "slow": lambda chance, _: Turn(thinks=chance.uniform(3, 7.9)),
    "too slow": lambda chance, _: Turn(thinks=chance.uniform(7.5, 20)),
    "silent": lambda *_: Turn(ends="silence"),
    "lost": lambda *_: Turn(arrives=None),
    "late": lambda chance, quick: Turn(arrives=chance.uniform(2, 15), thinks=quick),
    "reset before": lambda *_: Turn(executes=False, ends="reset"),
    "reset after": lambda _, quick: Turn(thinks=quick, ends="reset"),
    "cut": lambda _, quick: Turn(thinks=quick, ends="cut"),
    "throttled": lambda *_: Turn(executes=False, status=429),
    "unauthorised": lambda *_: Turn(executes=False, status=401),
    "failed": lambda _, quick: Turn(thinks=quick, status=500),
    "failed unexecuted": lambda *_: Turn(executes=False, status=503),
    "big": lambda _, quick: Turn(thinks=quick, size=3 * MOST_KEPT),
    "stream": lambda _, quick: Turn(thinks=quick, content=b"text/event-stream"),
    "broken stream": lambda _, quick: Turn(thinks=quick, content=b"text/event-stream", ends="cut"),
}


class Api:
    """The upstream. It recognises keys of routes with ``retry`` for as long as their policy says."""

    def __init__(self, wire: Wire, chronicle: Chronicle, moods: dict[tuple[int, int], str]) -> None:
        self.wire = wire
        self.chronicle = chronicle
        self.calls: dict[int, Call] = {}
        self.remembers: dict[int, float] = {}
        self._moods = moods
        self._asked: Counter[int] = Counter()
        # By request: until when it is recognised, from when on it is answered, and what was done.
        self._known: dict[tuple[str, str, str], tuple[float, float, Executed]] = {}

    def next_turn(self, call: Call) -> Turn:
        """How the next request with this key fares."""
        nth = self._asked[call.key]
        self._asked[call.key] += 1
        return turn(self._moods.get((call.key, nth), "plain"), self.wire.chance)

    def receive(self, call: Call, turn: Turn) -> Executed:
        """Does what it does, and says what it would answer."""
        now, remembered = self.wire.loop.time(), self.remembers.get(call.key)
        request = call.slot, call.caller, call.payload
        known = self._known.get(request) if remembered else None
        if known and known[1] <= now < known[0]:
            return known[2]
        if known and now < known[1]:
            turn = replace(turn, executes=False, status=409)
        done = Executed(len(self.chronicle.executed), now, call, _answer(call, turn, len(self.chronicle.executed)))
        done.effect = turn.executes
        self.chronicle.executed.append(done)
        if remembered and turn.executes:
            self._known[request] = (now + remembered, now + turn.thinks, done)
        what = "EXECUTES" if turn.executes else "turns away"
        self.chronicle.tell("upstream", f"{what} call {call.number} ({call.slot}, payload {call.payload!r})")
        return done


def _answer(call: Call, turn: Turn, number: int) -> StoredResponse:
    body = f"#{number} canary-{call.caller} {call.payload}".encode().ljust(turn.size, b".")
    headers = ((b"Content-Type", turn.content), (b"Set-Cookie", b"a=b"), (b"X-Twice", b"1"), (b"X-Twice", b"2"))
    return StoredResponse(turn.status, headers, body)


class Hop:
    """``ports.Upstream`` as one gateway has it."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def send(
        self,
        target: Target,
        request: Outgoing,
        *,
        dispatch_by: float | None = None,
        on_dispatch: Callable[[], None] | None = None,
    ) -> "Answer":
        """Laws U1 to U3 and U5."""
        api, loop = self._api, self._api.wire.loop
        (number,) = values(request.headers, b"x-call")
        call = api.calls[int(number)]
        plan = api.next_turn(call)
        connect = target.timeouts.connect.total_seconds()
        await asyncio.sleep(min(plan.connect, connect))
        if plan.refused or plan.connect > connect:
            raise NotSent("refused" if plan.refused else "connect-timeout", TIMED_OUT)
        if dispatch_by is not None and loop.time() >= dispatch_by:
            raise NotSent("dispatch-deadline", "it is too late to send")
        if on_dispatch is not None:
            on_dispatch()
        api.chronicle.sent.append(Sent(loop.time(), call))
        api.chronicle.tell(call.gateway, f"FIRST BYTE of call {call.number} ({call.slot}, payload {call.payload!r})")
        api.chronicle.moment("sent", call)
        answered: asyncio.Future[Executed] = loop.create_future()
        self._travel(call, plan, answered)
        done = await answered
        api.chronicle.heard.append(Heard(loop.time(), call, done.answer.status, whole=False))
        return Answer(done, plan, call, api)

    def _travel(self, call: Call, plan: Turn, answered: "asyncio.Future[Executed]") -> None:
        api = self._api

        def back(done: Executed) -> None:
            if answered.done():
                return
            if plan.ends == "reset":
                answered.set_exception(OutcomeUnknown("reset", "the upstream broke the connection"))
            else:
                answered.set_result(done)

        def arrived() -> None:
            done = api.receive(call, plan)
            api.chronicle.moment("executed", call)
            if plan.ends != "silence":
                api.wire.after(plan.thinks + api.wire.latency(), lambda: back(done))

        if plan.arrives is not None:
            api.wire.after(plan.arrives, arrived)

    async def close(self) -> None:
        """Nothing to close."""


class Answer:
    """``ports.Answer``: the head is there, the body comes."""

    def __init__(self, done: Executed, plan: Turn, call: Call, api: Api) -> None:
        self._done = done
        self._plan = plan
        self._call = call
        self._api = api

    @property
    def status(self) -> int:
        """As it came."""
        return self._done.answer.status

    @property
    def headers(self) -> Headers:
        """As they came."""
        return self._done.answer.headers

    @property
    def length(self) -> int | None:
        """Streams do not tell theirs."""
        return None if self._plan.content == b"text/event-stream" else len(self._done.answer.body)

    @property
    def length_unverified(self) -> bool:
        """Never."""
        return False

    def at_hand(self) -> bytes | None:
        """Never."""
        return None

    async def whole(self, limit: int) -> bytes | None:
        """Law A2."""
        await asyncio.sleep(0.001)
        if self._plan.ends == "cut":
            raise OutcomeUnknown("cut", "the upstream broke off its answer")
        body = self._done.answer.body
        if len(body) > limit:
            return None
        self._api.chronicle.heard.append(Heard(self._api.wire.loop.time(), self._call, self.status, whole=True))
        return body

    async def stream(self) -> AsyncIterator[bytes]:
        """Law A3."""
        for piece in (self._done.answer.body[:20], self._done.answer.body[20:]):
            await asyncio.sleep(0.05)
            yield piece
            if self._plan.ends == "cut":
                raise OutcomeUnknown("cut", "the upstream broke off its answer")

    def close(self) -> None:
        """Nothing is used again."""
