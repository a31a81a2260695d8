"""Gateways side by side on the same stores, callers who retry through faults, and the logs held against each other.

Knows processes, callers, and the invariants that no fault may break. Refuses to know which stores these are.
"""

import http.client
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Self

from tests.process import Served, anywhere, start
from tests.stage import Heard, call, metric
from tests.upstream import Upstream

CALLERS = 12


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call of a caller, under a number that the upstream logs too; ``heard`` is ``None`` where it was cut off."""

    key: str
    number: int
    heard: Heard | None

    @property
    def told(self) -> str:
        return "nothing" if self.heard is None else self.heard.told


class Fleet:
    """Gateways, each replaced when it is killed; a caller meets one after the other, or the one it names."""

    def __init__(
        self, upstream: Upstream, folder: Path, *stores: str, environs: Sequence[Mapping[str, str]] = ()
    ) -> None:
        """``stores``: one for each gateway; two URLs with a space between them are tiered. ``environs``: what is added
        to the environment of each."""
        self._folder = folder
        self._environs = environs or [{}] * len(stores)
        given = [[word for url in each.split() for word in ("--store", url)] for each in stores]
        self._arguments = [(*anywhere(upstream.port), *words) for words in given]
        self._turn = count()
        self._numbers = count()
        self._changing = threading.Lock()
        with ThreadPoolExecutor() as pool:
            self._served = list(pool.map(self._start, range(len(stores))))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for number in range(len(self._served)):
            self.kill(number)

    def ask(self, key: str, number: int | None = None) -> Heard:
        return self._call(key, next(self._turn) if number is None else number, next(self._numbers))

    def attempt(self, key: str) -> Attempt:
        number = next(self._numbers)
        try:
            return Attempt(key, number, self._call(key, next(self._turn), number))
        except (ConnectionError, http.client.HTTPException, OSError):
            # The gateway was killed in the middle: the caller knows nothing, and retries.
            return Attempt(key, number, None)

    def _call(self, key: str, gateway: int, attempt: int) -> Heard:
        lines = [("Idempotency-Key", key), ("Attempt", f"{attempt}")]
        return call(self._now(gateway).port, "POST", "/c", lines, f'{{"order": "{key}"}}'.encode())

    def ready(self, number: int = 0) -> Heard:
        return call(self._now(number).admin_port, "GET", "/readyz", [], None)

    def metric(self, line: str, number: int = 0) -> float:
        return metric(self._now(number).admin_port, f"idempotency_gateway_{line}")

    def kill(self, number: int) -> None:
        served = self._served[number]
        served.process.kill()
        served.process.wait(30)
        assert served.process.stderr is not None
        served.process.stderr.close()

    def replace(self, number: int) -> None:
        """Kills it, and starts another in its place."""
        self.kill(number)
        replaced = self._start(number)
        with self._changing:
            self._served[number] = replaced

    def _start(self, number: int) -> Served:
        return start(*self._arguments[number], folder=self._folder, environ=self._environs[number])

    def _now(self, number: int) -> Served:
        with self._changing:
            return self._served[number % len(self._served)]


def through(fleet: Fleet, keys: Sequence[str], faults: Sequence[Callable[[], None]]) -> list[Attempt]:
    """Callers retry every key, now and a fault later, while the faults happen; then each is tried once more.

    By progress and not by time: a fault comes when its share of the keys is done, and while it lasts no more than the
    next share goes on.
    """
    share = len(keys) // (len(faults) + 1)
    progress = threading.Condition()
    finished = happened = 0

    def charge(number: int) -> list[Attempt]:
        nonlocal finished
        with progress:
            assert progress.wait_for(lambda: happened >= number // share - 1, timeout=120)
        wanted = [keys[number], keys[number], keys[max(0, number - share)], keys[max(0, number - 2 * share)]]
        attempts = [fleet.attempt(key) for key in wanted]
        with progress:
            finished += 1
            progress.notify_all()
        return attempts

    with ThreadPoolExecutor(CALLERS) as pool:
        charged = pool.map(charge, range(len(keys)))
        for number, fault in enumerate(faults, 1):
            with progress:
                assert progress.wait_for(partial(lambda due: finished >= due, number * share), timeout=120)
            fault()
            with progress:
                happened += 1
                progress.notify_all()
        heard = [attempt for attempts in charged for attempt in attempts]
        return [*heard, *pool.map(fleet.attempt, keys)]


def hold_together(upstream: Upstream, attempts: Sequence[Attempt]) -> None:
    """I1 to I3, from the callers' log and the upstream's, which answers with ``moody``."""
    executed = {logged.key: number for number, logged in enumerate(upstream.log, 1)}
    executions = Counter(logged.key for logged in upstream.log)
    sent = {dict(logged.headers)["attempt"] for logged in upstream.log}
    assert {key: times for key, times in executions.items() if times > 1} == {}, "I1: executed twice"
    for each in attempts:
        if each.heard is not None and each.heard.status == 201:
            execution = f'{{"key": "{each.key}", "execution": {executed[each.key]}}}'.encode()
            assert each.heard.body == execution, "I2: another answer than the executed one"
        if each.heard is not None:
            its_own = each.told.startswith(("201 executed", "502 ", "504 "))
            assert (f"{each.number}" in sent) == its_own, f"I3: {each.told}, and sent or not"


def finally_told(attempts: Sequence[Attempt], keys: Sequence[str]) -> Counter[str]:
    """How many keys ended with which answer; most have to end well, or a run shows nothing."""
    told = Counter(each.told for each in attempts[-len(keys) :])
    assert told["201 replayed"] > len(keys) * 0.8, told
    return told
