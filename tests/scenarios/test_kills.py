"""Killed at any moment, the gateway never sends again what it may have sent.

A thousand keys, callers that retry, hang up and pipeline nothing sensible, and ``kill -9`` in between. Afterwards three
logs are held against each other: what the callers heard, what the upstream executed, what the store says.
"""

import http.client
import random
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from tests.process import Served, anywhere, start
from tests.raw import connect
from tests.stage import Heard, call
from tests.upstream import Logged, Play, Upstream, answer

KEYS = 1000
KILLS = 12
CALLERS = 16
SEED = 20261123


class Fleet:
    """One gateway at a time, on one store, replaced whenever it is killed."""

    def __init__(self, upstream: Upstream, folder: Path, *options: str) -> None:
        self._arguments = (*anywhere(upstream.port), *options)
        self._folder = folder
        self._up = threading.Event()
        self._served: Served
        self.kills = 0
        self.start()

    def start(self) -> None:
        self._served = start(*self._arguments, folder=self._folder)
        self._up.set()

    def port(self) -> int:
        assert self._up.wait(30)
        return self._served.port

    def kill(self) -> None:
        self._up.clear()
        self._served.process.kill()
        self._served.process.wait(30)
        assert self._served.process.stderr is not None
        self._served.process.stderr.close()
        self.kills += 1


def moody(logged: Logged, number: int) -> Play:
    """Mostly an answer; sometimes silence, a reset, or half of it. Always the same for one request."""
    mood = random.Random(f"{SEED}{logged.key}").random()
    whole = answer(201, f'{{"key": "{logged.key}", "execution": {number}}}'.encode())
    if mood < 0.03:
        return Play(then="reset")
    if mood < 0.06:
        return Play(whole[: len(whole) // 2], then="close")
    return Play(whole, then="keep")


class Reachable(Protocol):
    """A gateway to call, perhaps one of several."""

    def port(self) -> int: ...


class Customers:
    """Callers that retry as SDKs do, and lose some answers on purpose. What each heard, by key."""

    def __init__(self, fleet: Reachable) -> None:
        self._fleet = fleet
        self.heard: defaultdict[str, list[Heard]] = defaultdict(list)
        self._done = 0
        self._progress = threading.Condition()

    def wait_for(self, done: int) -> None:
        """Returns when that many customers have done all they wanted."""
        with self._progress:
            assert self._progress.wait_for(lambda: self._done >= done, timeout=120)

    def charge(self, key: str) -> None:
        chance = random.Random(f"{SEED}{key}")
        for _ in range(chance.randint(2, 5)):
            body = f'{{"order": "{key}"}}'.encode()
            try:
                if chance.random() < 0.2:
                    self._hang_up(key, body, chance)
                else:
                    self.heard[key].append(call(self._fleet.port(), "POST", "/c", [("Idempotency-Key", key)], body))
            except (ConnectionError, http.client.HTTPException, OSError):
                continue  # The gateway was killed in the middle: the caller knows nothing, and retries.
        with self._progress:
            self._done += 1
            self._progress.notify_all()

    def _hang_up(self, key: str, body: bytes, chance: random.Random) -> None:
        head = f"POST /c HTTP/1.1\r\nHost: x\r\nIdempotency-Key: {key}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        with connect(self._fleet.port()) as connection:
            connection.sendall((head + body)[: chance.randint(1, len(head) + len(body) + 200)])


def test_a_thousand_keys_through_kills_and_hang_ups_are_executed_at_most_once_each(
    upstream: Upstream, tmp_path: Path
) -> None:
    upstream.by_key = moody
    fleet = Fleet(upstream, tmp_path)
    customers = Customers(fleet)
    keys = [f"key-{number}" for number in range(KEYS)]
    with ThreadPoolExecutor(CALLERS) as pool:
        calls = [pool.submit(customers.charge, key) for key in keys]
        for kill in range(1, KILLS + 1):
            # Killed by progress, not by the clock, so that a slow machine sees as many kills as a fast one.
            customers.wait_for(kill * KEYS // (KILLS + 1))
            fleet.kill()
            fleet.start()
        for finished in calls:
            finished.result()

    final = {
        key: call(fleet.port(), "POST", "/c", [("Idempotency-Key", key)], f'{{"order": "{key}"}}'.encode())
        for key in keys
    }
    fleet.kill()
    executions: defaultdict[str, list[Logged]] = defaultdict(list)
    for logged in upstream.log:
        executions[logged.key].append(logged)

    assert fleet.kills == KILLS + 1
    assert {key: len(found) for key, found in executions.items() if len(found) > 1} == {}, "I1: executed twice"
    for key in keys:
        bodies = {heard.body for heard in [*customers.heard[key], final[key]] if heard.status == 201}
        assert len(bodies) <= 1, "I2: two answers for one key"
        for heard in customers.heard[key]:
            if heard.told.startswith(("201 ", "502 ", "504 ")):
                assert len(executions[key]) == 1, f"{heard.told} without an execution"
    told = [heard.told for heard in final.values()]
    assert told.count("201 replayed") > KEYS * 0.8, "most calls end well, or this test shows nothing"
    assert any("unknown" in line or "in-flight" in line for line in told), (
        "some were cut off, or this test shows nothing"
    )
