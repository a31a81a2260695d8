"""Callers and an operator under load, before one gateway behind TLS whose secrets are exchanged while it runs.

A call fails if its caller hears anything but the answer of its one execution, at the first try, over a connection whose
certificate it believes; an operator's question if it is not answered. Refuses to know when a secret is exchanged.
"""

import ssl
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

from tests.process import Served
from tests.stage import Heard, call

CALLERS = 3
PATIENCE = 60


@dataclass(frozen=True)
class Known:
    """What callers show and believe, and what an operator shows."""

    caller_key: str
    token: str
    context: ssl.SSLContext


@dataclass
class Crowd:
    """``known`` is what everybody goes by from its next call on; ``rounds``: how many each of them has made."""

    served: Served
    known: Known
    failed: list[str] = field(default_factory=list[str])
    rounds: list[int] = field(default_factory=lambda: [0] * (CALLERS + 1))
    _numbers: Iterator[int] = field(default_factory=count)
    _done: threading.Condition = field(default_factory=threading.Condition)

    @contextmanager
    def under_load(self) -> Generator[None]:
        """Everybody calls until the block ends."""
        ending = threading.Event()
        work = [*(self._caller() for _ in range(CALLERS)), self._operator]
        with ThreadPoolExecutor(len(work)) as pool:
            going = [pool.submit(self._go, ending, number, each) for number, each in enumerate(work)]
            try:
                yield
            finally:
                ending.set()
        for each in going:
            each.result()

    def turn_to(self, known: Known) -> None:
        """Returns when everybody goes by ``known`` alone, or somebody failed."""
        self.known = known
        self.progress()

    def progress(self, rounds: int = 2) -> None:
        """Returns when everybody has made so many more, the one under way not counted, or somebody failed."""
        with self._done:
            wanted = [made + rounds for made in self.rounds]
            assert self._done.wait_for(
                lambda: self.failed or all(made >= least for made, least in zip(self.rounds, wanted, strict=True)),
                timeout=PATIENCE,
            )

    def post(self, key: str, known: Known) -> Heard:
        """One call."""
        lines = [("Idempotency-Key", key), ("X-Gateway-Key", known.caller_key)]
        return call(self.served.port, "POST", "/charges", lines, b"{}", context=known.context)

    def ask(self, known: Known) -> Heard:
        """An operator's question."""
        shown = [("Authorization", f"Bearer {known.token}")]
        return call(self.served.admin_port, "GET", "/api/stats", shown, None)

    def _go(self, ending: threading.Event, number: int, work: Callable[[Known], str]) -> None:
        while not ending.is_set() and not self.failed:
            try:
                wrong = work(self.known)
            except OSError as fault:
                wrong = repr(fault)
            with self._done:
                if wrong:
                    self.failed.append(wrong)
                self.rounds[number] += 1
                self._done.notify_all()

    def _caller(self) -> Callable[[Known], str]:
        """A new call, and its first one once more."""
        kept: list[tuple[str, bytes]] = []

        def charge(known: Known) -> str:
            key = f"key-{next(self._numbers)}"
            heard = self.post(key, known)
            if heard.told != "201 executed":
                return f"{key}: {heard}"
            if not kept:
                kept.append((key, heard.body))
            first, body = kept[0]
            again = self.post(first, known)
            return "" if (again.told, again.body) == ("201 replayed", body) else f"{first} again: {again}"

        return charge

    def _operator(self, known: Known) -> str:
        heard = self.ask(known)
        return "" if heard.status == 200 else f"operator: {heard}"
