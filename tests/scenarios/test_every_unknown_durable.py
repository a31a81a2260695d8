"""Each policy of the unknown when a gateway dies with calls in flight, or stands still past their leases.

Processes on real stores, four routes each (``four_policies``). Leases are not waited for: their records are aged.
"""

import http.client
import os
import signal
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import pytest

from gateway.protocol.model import RecordId
from tests.ledger import Ledger, Mood, order
from tests.postgres import Servers
from tests.process import Served, start
from tests.redis_servers import eventually, shared
from tests.scenarios.four_policies import OWED_AFTER_A_CRASH, POLICIES, UNKNOWN, routes, settled
from tests.stage import Heard, call
from tests.stores.backends import Backend, PostgresBackend, RedisBackend, SqliteBackend, TieredServers
from tests.upstream import Play, Upstream, answer, running_upstream

# A lease lasts ten seconds longer; what is aged by so much has been unknown for longer than the quiet period.
TIMEOUT, QUIET, AGE = "{response: 60s, total: 60s}", "60s", 200.0


@dataclass
class House:
    """A store, two gateways on it, and the ledger behind them."""

    backend: Backend
    urls: tuple[str, ...]
    upstream: Upstream
    folder: Path
    served: list[Served] = field(default_factory=list)

    def pair(self) -> tuple[Served, Served]:
        """Two that run, the dead ones replaced."""
        alive = [each for each in self.served if each.process.poll() is None]
        with ThreadPoolExecutor(2) as pool:
            alive += pool.map(lambda _: self._open(), range(2 - len(alive)))
        self.served = alive
        return alive[0], alive[1]

    def _open(self) -> Served:
        file = self.folder / "gateway.yaml"
        file.write_text(
            "listen: 127.0.0.1:0\nadmin: {listen: 127.0.0.1:0}\n" + routes(self.upstream.port, TIMEOUT, QUIET)
        )
        stores = [word for url in self.urls for word in ("--store", url)]
        return start("--config", str(file), *stores, folder=self.folder)

    def age(self, instance: str) -> None:
        """Makes a call so old that its lease is over; ``instance`` is its name in a problem."""
        self.backend.age(RecordId(bytes.fromhex(instance.rpartition(":")[2])), AGE)

    def close(self) -> None:
        for served in self.served:
            served.kill()


@pytest.fixture(scope="module", params=["sqlite", "postgres", "redis", "tiered"])
def house(
    request: pytest.FixtureRequest, servers: Servers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    """One for all tests of a store: a gateway takes its time to start."""
    folder = tmp_path_factory.mktemp("house")
    with ExitStack() as stack:
        backend: Backend
        urls: tuple[str, ...]
        match request.param:
            case "sqlite":
                backend = SqliteBackend(folder / "gateway.db")
                urls = (f"sqlite:///{folder / 'gateway.db'}",)
            case "redis":
                backend = RedisBackend(shared("valkey"))
                urls = (shared("valkey").url,)
            case _:
                server = servers.get()
                database = stack.enter_context(server.database())
                backend, urls = PostgresBackend(server, database), (database,)
                if request.param == "tiered":
                    front = shared("valkey")
                    backend, urls = TieredServers(backend, front, front.url), (database, front.url)
        opened = House(backend, urls, stack.enter_context(running_upstream()), folder)
        stack.callback(opened.close)
        yield opened


def charge(gateway: Served, key: str) -> Heard:
    """A call whose policy is the beginning of its key."""
    return call(gateway.port, "POST", f"/{key.partition('-')[0]}", [("Idempotency-Key", key)], order(key))


def cut_off(gateway: Served, key: str) -> Heard | None:
    """The same, by a caller who may be left without an answer."""
    try:
        return charge(gateway, key)
    except (ConnectionError, http.client.HTTPException, OSError):
        return None


def in_flight(gateway: Served, key: str) -> str:
    """The name of a call that is under way."""
    heard = charge(gateway, key)
    assert heard.told == "409 in-flight in-flight"
    return str(heard.problem["instance"])


def comes_back(gateway: Served, key: str) -> Heard:
    heard: list[Heard] = []

    def asked() -> bool:
        heard.append(charge(gateway, key))
        return settled(key.partition("-")[0], heard[-1])

    eventually(asked)
    return heard[-1]


def test_a_gateway_that_stands_still_past_its_leases_takes_nothing_back_and_sends_nothing_again(house: House) -> None:
    ledger = Ledger(house.upstream)
    paused, other = house.pair()
    gate = Event()
    ledger.mood_of.update({key: Mood(True, Play(answer(201, ledger.receipt(key)), gate=gate)) for key in POLICIES})
    with ThreadPoolExecutor(len(POLICIES)) as callers:
        calls: dict[str, Future[Heard]] = {key: callers.submit(charge, paused, key) for key in POLICIES}
        try:
            ledger.wait_for_charges(len(POLICIES))
            instances = [in_flight(other, key) for key in POLICIES]
            stand_still(paused, other)
            for instance in instances:
                house.age(instance)
            told = {key: comes_back(other, key).told for key in POLICIES}
            assert told == {"hold": UNKNOWN, "retry": "201 executed", "reconcile": "201 replayed", "fail": UNKNOWN}
        finally:
            gate.set()
            paused.process.send_signal(signal.SIGCONT)
        late = {key: each.result() for key, each in calls.items()}
    assert {heard.told for heard in late.values()} == {"201 executed"}
    recorded = {key: heard.get("idempotency-recorded") for key, heard in late.items()}
    assert recorded == {"hold": None, "retry": "false", "reconcile": "false", "fail": None}
    for key in POLICIES:
        replayed = charge(other, key)
        assert (replayed.told, replayed.body) == ("201 replayed", ledger.receipt(key))
    assert ledger.charged == dict.fromkeys(POLICIES, 1) | {"ready": ledger.charged["ready"]}
    assert {key: ledger.sent[key] for key in POLICIES} == {"hold": 1, "retry": 2, "reconcile": 1, "fail": 1}


def test_a_gateway_that_is_killed_leaves_to_the_next_one_what_each_policy_promises(house: House) -> None:
    ledger = Ledger(house.upstream)
    first, second = house.pair()
    keys = [(policy, executed, f"{policy}-{executed}") for policy in POLICIES for executed in (True, False)]
    ledger.mood_of.update({key: Mood(executed, Play(then="hang")) for _, executed, key in keys})
    with ThreadPoolExecutor(len(keys)) as callers:
        calls = [callers.submit(cut_off, first, key) for _, _, key in keys]
        ledger.wait_for_charges(len(keys))
        instances = [in_flight(first, key) for _, _, key in keys]
        first.kill()
        assert [each.result() for each in calls] == [None] * len(keys)
    assert {charge(second, key).told for _, _, key in keys} == {"409 in-flight in-flight"}, "nothing is free by a crash"
    for instance in instances:
        house.age(instance)
    for policy, executed, key in keys:
        owed = OWED_AFTER_A_CRASH[policy, executed]
        assert comes_back(second, key).told == owed.told, key
        assert (ledger.sent[key], ledger.charged[key]) == (owed.sent, owed.charged), key


def stand_still(paused: Served, other: Served) -> None:
    """Stops a gateway where it holds nothing that the other one needs, such as a file's lock."""

    def stopped() -> bool:
        os.kill(paused.process.pid, signal.SIGSTOP)
        ready = call(other.port, "POST", "/hold", [("Idempotency-Key", "ready")], order("ready"))
        if ready.status == 201:
            return True
        os.kill(paused.process.pid, signal.SIGCONT)
        return False

    eventually(stopped)
