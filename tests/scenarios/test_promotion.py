"""A replica of Redis that did not hear everything is promoted: in front it costs nothing, alone it costs the promise.

A standing wire tells nobody that it carries nothing: master and replica think well of each other to the end.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.stores.sql.tables import State
from tests.faultproxy import Direction, FaultProxy, proxying
from tests.postgres import Server
from tests.redis_servers import IN_MEMORY, VALKEY, RedisServer, eventually, running
from tests.scenarios.fleet import finally_told, hold_together, through
from tests.scenarios.test_kills import moody
from tests.scenarios.test_tiered import past_its_hint
from tests.scenarios.tiers import BUSY, AskingFleet, repeated_again, states
from tests.upstream import Play, Upstream, answer

KEYS = 90


@dataclass
class Pair:
    """A master and its replica. Gateways reach whichever is master now, as through a name that moves."""

    master: RedisServer
    replica: RedisServer
    stream: FaultProxy
    name: FaultProxy

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.name.port}/0"

    def lose_the_stream(self) -> None:
        """The replica has heard all, and hears no more; neither side is told."""
        said = self.master.ask.info("replication")["master_repl_offset"]
        eventually(lambda: bool(self.replica.ask.info("replication")["slave_repl_offset"] >= said))
        self.stream.down = Direction(swallows=True)

    def promote(self) -> None:
        """The master is gone, and the replica takes its place."""
        eventually(lambda: self.master.ask.dbsize() > self.replica.ask.dbsize())
        assert self.replica.ask.info("replication")["master_link_status"] == "up", "nobody noticed"
        self.replica.ask.replicaof("NO", "ONE")
        self.name.target = self.replica.port
        self.master.kill()
        self.name.reset()


@pytest.fixture
def pair(unused_port: int) -> Iterator[Pair]:
    settings = (*IN_MEMORY, "--repl-diskless-sync-delay", "0")
    with (
        proxying(unused_port) as stream,
        proxying(unused_port) as name,
        running(VALKEY, *settings, port=unused_port) as master,
        running(VALKEY) as replica,
    ):
        replica.ask.replicaof("127.0.0.1", str(stream.port))
        eventually(lambda: bool(replica.ask.info("replication")["master_link_status"] == "up"))
        yield Pair(master, replica, stream, name)


# In front of Postgres


def test_keys_through_the_promotion_of_a_replica_in_front_are_executed_at_most_once_each(
    upstream: Upstream, postgres: Server, database: str, pair: Pair, tmp_path: Path
) -> None:
    upstream.by_key = moody
    keys = [f"key-{number}" for number in range(KEYS)]
    with AskingFleet(upstream, tmp_path, *[f"{database} {pair.url}"] * 2) as fleet:
        attempts = through(fleet, keys, [pair.lose_the_stream, pair.promote])
        for number in (0, 1):
            repeated_again(fleet, keys[0], number)
    hold_together(upstream, attempts)
    told = finally_told(attempts, keys)
    assert states(postgres, database)[State.COMPLETED] == told["201 replayed"] + told["201 executed"], "I8"


def test_a_front_that_forgot_an_answer_and_a_call_in_flight_repeats_the_one_and_sends_the_other_no_second_time(
    upstream: Upstream, database: str, pair: Pair, tmp_path: Path
) -> None:
    gate = threading.Event()
    with AskingFleet(upstream, tmp_path, *[f"{database} {pair.url}"] * 2) as fleet, ThreadPoolExecutor(1) as pool:
        pair.lose_the_stream()
        forgotten = fleet.ask("forgotten")
        upstream.then(Play(answer(201, b"true"), gate=gate))
        first = pool.submit(fleet.ask, "in-flight", 0)
        upstream.wait_for(2)
        assert fleet.ask("in-flight", 1).told == BUSY
        pair.promote()
        for number in (0, 1):
            again = fleet.ask("forgotten", number)
            assert (again.told, again.body) == ("201 replayed", forgotten.body)
            assert fleet.ask("in-flight", number).told == BUSY
        gate.set()
        assert first.result().told == "201 executed"
        for number in (0, 1):
            again = past_its_hint(fleet, "in-flight", number)
            assert (again.told, again.body) == ("201 replayed", b"true")
    assert Counter(logged.key for logged in upstream.log) == {"forgotten": 1, "in-flight": 1}


# Redis alone


def test_a_redis_alone_that_forgot_a_claim_in_its_failover_executes_it_again_once_and_tells_the_first_caller(
    upstream: Upstream, pair: Pair, tmp_path: Path
) -> None:
    """The limit that docs/guarantees.md names: the role's marker was replicated, so nobody can tell what it lacks."""
    gate = threading.Event()
    with AskingFleet(upstream, tmp_path, pair.url, pair.url) as fleet, ThreadPoolExecutor(1) as pool:
        heard_of = fleet.ask("heard-of")
        pair.lose_the_stream()
        assert fleet.ask("forgotten").body == b'{"id":2}'
        upstream.then(Play(answer(201, b"true"), gate=gate))
        first = pool.submit(fleet.ask, "in-flight", 0)
        upstream.wait_for(3)
        assert fleet.ask("in-flight", 1).told == BUSY
        pair.promote()
        for key, execution in (("forgotten", b'{"id":4}'), ("in-flight", b'{"id":5}')):
            both = [fleet.ask(key, number) for number in (0, 1)]
            assert [each.told for each in both] == ["201 executed", "201 replayed"]
            assert {each.body for each in both} == {execution}
        gate.set()
        overtaken = first.result()
        assert (overtaken.told, overtaken.body) == ("201 executed", b"true"), "its own answer, which came late"
        assert overtaken.get("idempotency-recorded") == "false", "and which later calls do not get"
        assert fleet.metric('settlements_moved_total{route="default"}', 0) == 1
        for number in (0, 1):
            assert fleet.ask("in-flight", number).body == b'{"id":5}'
            again = fleet.ask("heard-of", number)
            assert (again.told, again.body) == ("201 replayed", heard_of.body)
    assert Counter(logged.key for logged in upstream.log) == {"heard-of": 1, "forgotten": 2, "in-flight": 2}
