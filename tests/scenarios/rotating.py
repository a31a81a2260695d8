"""Two gateways behind a small balancer, under load, while one secret after the other is exchanged.

A call fails if its caller hears anything but the answer of its one execution, at the first try: the balancer tries none
again. It takes a gateway out before that one is stopped, and back in when the next serves, as Kubernetes does.
"""

import threading
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.process import Served, start
from tests.stage import Heard, call
from tests.upstream import Upstream

CALLERS = 4
PATIENCE = 60


def step(text: str, folder: Path) -> dict[str, Any]:
    """A step of a rotation as a page shows it, its secrets in ``folder``."""
    settings: dict[str, Any] = YAML(typ="safe").load(text.replace("file:///run/secrets/", f"file://{folder}/"))
    return settings


@dataclass
class Balancer:
    """Gateways in their places; a call is counted where it is made."""

    served: list[Served] = field(default_factory=list[Served])
    _busy: list[int] = field(default_factory=list[int])
    _out: set[int] = field(default_factory=set[int])
    _turn: Iterator[int] = field(default_factory=count)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def begin(self, *served: Served) -> None:
        self.served, self._busy = list(served), [0] * len(served)

    def post(self, key: str) -> Heard:
        """One call at the next gateway that is in."""
        with self._changed:
            number = next(
                turn for turn in (next(self._turn) % len(self.served) for _ in count()) if turn not in self._out
            )
            self._busy[number] += 1
        lines = [("Idempotency-Key", key), ("X-Caller", "a caller"), ("Content-Type", "application/json")]
        try:
            return call(self.served[number].port, "POST", "/charges", lines, f'{{"order": "{key}"}}'.encode())
        finally:
            with self._changed:
                self._busy[number] -= 1
                self._changed.notify_all()

    @contextmanager
    def without(self, number: int) -> Generator[None]:
        """Nobody calls that gateway meanwhile."""
        with self._changed:
            self._out.add(number)
            assert self._changed.wait_for(lambda: not self._busy[number], timeout=PATIENCE)
        yield
        self._out.remove(number)


@dataclass
class Pair:
    """Two gateways with one configuration, restarted one after the other when it changes; and those who call them."""

    folder: Path
    upstream: Upstream
    stores: Mapping[str, str]
    balancer: Balancer = field(default_factory=Balancer)
    failed: list[str] = field(default_factory=list[str])
    answered: dict[str, bytes] = field(default_factory=dict[str, bytes])
    calls: int = 0
    _numbers: Iterator[int] = field(default_factory=count)
    _done: threading.Condition = field(default_factory=threading.Condition)
    _retrying: threading.Lock = field(default_factory=threading.Lock)

    def configure(self, upstream: Mapping[str, Any] | None = None, **settings: Any) -> None:  # noqa: ANN401 - settings
        """Writes what the next gateways to start read."""
        url = f"http://127.0.0.1:{self.upstream.port}"
        policy = {"upstream_key": {"mode": "derive"}, "scope": {"headers": ["X-Caller"]}}
        text = {
            "listen": "127.0.0.1:0",
            "store": dict(self.stores),
            "routes": [{"name": "api", "upstream": {"url": url, **(upstream or {})}, "policy": policy}],
            **settings,
            "admin": {"listen": "127.0.0.1:0", **settings.get("admin", {})},
        }
        with (self.folder / "gateway.yaml").open("w") as out:
            YAML().dump(text, out)

    def roll(self) -> None:
        """Each gateway ends in order, and another takes its place; calls go on meanwhile, at both in between."""
        for number in range(len(self.balancer.served)):
            with self.balancer.without(number):
                assert self.balancer.served[number].stop() == 0
                self.balancer.served[number].kill()
                self.balancer.served[number] = self._start()
            self.progress(2 * CALLERS)

    def progress(self, calls: int) -> None:
        """Returns when so many more calls were answered, or one failed."""
        with self._done:
            wanted = self.calls + calls
            assert self._done.wait_for(lambda: self.failed or self.calls >= wanted, timeout=PATIENCE)

    @contextmanager
    def forgetting(self) -> Generator[None]:
        """Nobody retries what was answered so far any more."""
        with self._retrying:
            with self._done:
                self.answered.clear()
            yield

    @contextmanager
    def under_load(self) -> Generator[None]:
        """Callers who charge and retry until the block ends."""
        ending = threading.Event()
        self.balancer.begin(self._start(), self._start())
        try:
            with ThreadPoolExecutor(CALLERS) as pool:
                calling = [pool.submit(self._calls, ending) for _ in range(CALLERS)]
                try:
                    yield
                finally:
                    ending.set()
            for each in calling:
                each.result()
        finally:
            for served in self.balancer.served:
                served.kill()

    def _start(self) -> Served:
        return start("--config", "gateway.yaml", folder=self.folder)

    def _calls(self, ending: threading.Event) -> None:
        mine: list[str] = []
        while not ending.is_set() and not self.failed:
            key = f"key-{next(self._numbers)}"
            heard = self._heard(key)
            with self._done:
                if isinstance(heard, Heard) and heard.told == "201 executed":
                    self.answered[key] = heard.body
                    mine.append(key)
                else:
                    self.failed.append(f"{key}: {heard}")
            for earlier in {mine[0], mine[len(mine) // 2], mine[-1]} if mine else ():
                self._again(earlier)
            with self._done:
                self.calls += 1
                self._done.notify_all()
            mine = [each for each in mine if each in self.answered]

    def _again(self, key: str) -> None:
        with self._retrying:
            first = self.answered.get(key)
            heard = None if first is None else self._heard(key)
        if heard is not None and not (isinstance(heard, Heard) and (heard.told, heard.body) == ("201 replayed", first)):
            self.failed.append(f"{key} again: {heard}")

    def _heard(self, key: str) -> Heard | Exception:
        try:
            return self.balancer.post(key)
        except OSError as fault:
            return fault
