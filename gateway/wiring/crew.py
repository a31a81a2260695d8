"""A crew of workers: processes that share the data listener, started, counted, replaced and stopped in order.

Knows that a worker may end at any moment, and that another takes its place: what it had in flight becomes unknown by
its lease, as after any crash. Refuses to serve callers itself, and to know what the counts mean.
"""

import asyncio
import pickle
import socket
import sys
from contextlib import suppress
from itertools import count

from gateway.config.configuration import Configuration
from gateway.errors import StoreUnavailable
from gateway.ports import Observer
from gateway.protocol.observations import WorkerEnded
from gateway.telemetry.metrics import Counts, lasting, summed
from gateway.wiring.lines import Lines

# Seconds before an ended worker is replaced, doubling while none of its successors came to serve.
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0

# How long a scrape waits for a worker's counts; one that is too busy is shown by what it told last.
PATIENCE = 1.0

# Beyond the grace: how long a worker's last writes may take. One that has not ended by then is killed.
LAST_WRITES = 10.0


class Hand:
    """One worker, from its start to its end."""

    def __init__(self, process: asyncio.subprocess.Process, lines: Lines) -> None:
        self._process = process
        self._lines = lines
        self._answered: dict[int, asyncio.Event] = {}
        self._numbers = count()
        self.counts: Counts = {}
        self.serving = asyncio.Event()
        self.sentence = ""

    @classmethod
    async def start(cls, configuration: bytes, listening: socket.socket) -> "Hand":
        """A process with the listener and a line to this one; it serves when it says so."""
        own, other = socket.socketpair()
        with other:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                # Nothing that lies in the working directory is taken for a part of the program.
                "-P",
                "-m",
                "gateway.wiring.worker",
                str(listening.fileno()),
                str(other.fileno()),
                stdin=asyncio.subprocess.PIPE,
                pass_fds=(listening.fileno(), other.fileno()),
            )
        assert process.stdin is not None  # noqa: S101 - asked for above
        with suppress(ConnectionError):
            process.stdin.write(configuration)
            await process.stdin.drain()
            process.stdin.close()
        return cls(process, await Lines.over(own))

    async def ended(self) -> int:
        """Hears the worker out; its exit code."""
        while (heard := await self._lines.heard()) is not None:
            match heard["word"]:
                case "serving":
                    self.serving.set()
                case "counts":
                    self.counts = heard["counts"]
                    if asked := self._answered.get(heard.get("asked", -1)):
                        asked.set()
                case _:
                    self.sentence = heard["sentence"]
        self._lines.close()
        return await self._process.wait()

    async def count(self) -> None:
        """Brings ``counts`` up to date, if the worker answers."""
        number = next(self._numbers)
        answered = self._answered[number] = asyncio.Event()
        self._lines.tell("count", asked=number)
        with suppress(TimeoutError):
            await asyncio.wait_for(answered.wait(), PATIENCE)
        del self._answered[number]

    def tell(self, word: str) -> None:
        """``retire``, ``stop`` or ``hurry``."""
        self._lines.tell(word)

    def kill(self) -> None:
        """Ends it at once, as a crash would."""
        with suppress(ProcessLookupError):
            self._process.kill()


class Crew:
    """As many workers as were asked for."""

    def __init__(self, configuration: Configuration, listening: socket.socket, observer: Observer) -> None:
        self._configuration = pickle.dumps(configuration)
        self._size = configuration.workers
        self._grace = configuration.shutdown_grace.total_seconds()
        self._listening = listening
        self._observer = observer
        self._hands: list[Hand] = []
        self._past: Counts = {}
        self._keeping: list[asyncio.Task[None]] = []
        self._changed = asyncio.Condition()
        self._fault = ""
        self._stopping = asyncio.Event()

    def working(self) -> bool:
        """Whether any worker serves."""
        return any(hand.serving.is_set() for hand in self._hands)

    async def start(self) -> None:
        """Returns when all of them serve; ``StoreUnavailable`` with the first one's sentence where one does not."""
        self._keeping = [asyncio.create_task(self._keep()) for _ in range(self._size)]
        async with self._changed:
            await self._changed.wait_for(lambda: self._fault or self._all_serve())
        if self._fault:
            raise StoreUnavailable(self._fault)

    async def counts(self) -> Counts:
        """What all of them have counted, those included that have ended."""
        hands = list(self._hands)
        await asyncio.gather(*(hand.count() for hand in hands))
        return summed([self._past, *(hand.counts for hand in self._hands)])

    def retire(self) -> None:
        """Every worker serves on, and ends each connection behind its next answer."""
        self._tell("retire")

    async def stop(self, hurry: asyncio.Event | None = None) -> None:
        """Every worker finishes what it has in flight."""
        self._stopping.set()
        self._listening.close()
        self._tell("stop")
        hurrying = asyncio.create_task(self._hurry(hurry or asyncio.Event()))
        await asyncio.wait(self._keeping, timeout=self._grace + LAST_WRITES)
        for hand in self._hands:
            hand.kill()
        await asyncio.gather(*self._keeping)
        hurrying.cancel()

    async def _hurry(self, hurry: asyncio.Event) -> None:
        await hurry.wait()
        self._tell("hurry")

    def _tell(self, word: str) -> None:
        for hand in self._hands:
            hand.tell(word)

    def _all_serve(self) -> bool:
        return len(self._hands) == self._size and all(hand.serving.is_set() for hand in self._hands)

    async def _keep(self) -> None:
        """One place in the crew: whoever ends is followed by another, until the crew stops."""
        pause = FIRST_PAUSE
        while not self._stopping.is_set():
            try:
                hand = await Hand.start(self._configuration, self._listening)
            except OSError as fault:
                await self._note(None, f"a worker cannot be started: {fault}")
                pause = min(2 * pause, LONGEST_PAUSE)
                await self._rest(pause)
                continue
            self._hands.append(hand)
            served = asyncio.create_task(self._await(hand))
            if self._stopping.is_set():
                hand.tell("stop")
            code = await hand.ended()
            served.cancel()
            self._hands.remove(hand)
            self._past = summed([self._past, lasting(hand.counts)])
            if self._stopping.is_set():
                return
            served_once = hand.serving.is_set()
            await self._note(code, hand.sentence or f"a worker ended with code {code}", fatal=not served_once)
            pause = FIRST_PAUSE if served_once else min(2 * pause, LONGEST_PAUSE)
            await self._rest(pause)

    async def _rest(self, seconds: float) -> None:
        """Until then, or the end of the crew."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _await(self, hand: Hand) -> None:
        await hand.serving.wait()
        async with self._changed:
            self._changed.notify_all()

    async def _note(self, code: int | None, sentence: str, *, fatal: bool = True) -> None:
        """``code``: ``None`` where there was no process. ``fatal``: to a crew that has only just begun."""
        self._observer.observe(WorkerEnded(code, sentence))
        if fatal:
            self._fault = self._fault or sentence
        async with self._changed:
            self._changed.notify_all()
