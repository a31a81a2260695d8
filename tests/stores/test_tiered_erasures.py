"""Forgetting on Postgres with a real Redis in front that is down, comes back from a dump, or hears a copy late."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway.protocol.model import Complete, Forgotten, Grant, KeyExpired, Replay, Verdict
from gateway.stores.redis.front import PREFIX
from tests.faultproxy import Direction, FaultProxy, proxying
from tests.postgres import Servers
from tests.redis_servers import IN_MEMORY, eventually
from tests.scenarios.tiers import Redis
from tests.stores.backends import Bench, PostgresBackend, TieredServers
from tests.stores.requests import ANSWER, claim, record_id

K = record_id("k")
COPY = PREFIX + K.digest
MARKER = 34


class Stage:
    """Two gateways' stores; the first one reaches Redis through a proxy."""

    def __init__(self, stack: ExitStack, servers: Servers, folder: Path) -> None:
        server = servers.get()
        database = stack.enter_context(server.database())
        self.redis = Redis.begin(folder / "redis", *IN_MEMORY)
        stack.callback(self.redis.kill)
        self.proxy: FaultProxy = stack.enter_context(proxying(self.redis.server.port))
        urls = (f"redis://127.0.0.1:{self.proxy.port}/0", self.redis.server.url)
        self.authority = PostgresBackend(server, database)
        backends = [TieredServers(self.authority, self.redis.server, url) for url in urls]
        self.one, self.other = (stack.enter_context(Bench(backend)) for backend in backends)

    def completed(self, key: str = "k") -> Grant:
        grant = self.one.completed(claim(key), ANSWER)
        assert len(self.copy(key)) > MARKER
        return grant

    def copy(self, key: str = "k") -> bytes:
        text = self.redis.server.ask.get(PREFIX + record_id(key).digest)
        assert text is None or isinstance(text, bytes)
        return text or b""

    def dumped(self) -> bytes:
        self.redis.server.ask.save()
        return (self.redis.folder / "dump.rdb").read_bytes()

    def restored(self, dump: bytes) -> None:
        """Redis runs again, and holds what it held then."""
        (self.redis.folder / "dump.rdb").write_bytes(dump)
        self.redis.come_back()
        assert len(self.copy()) > MARKER, "it is the old dump, or this test shows nothing"


@pytest.fixture
def stage(servers: Servers, tmp_path: Path) -> Iterator[Stage]:
    with ExitStack() as stack:
        yield Stage(stack, servers, tmp_path)


def told(bench: Bench, key: str = "k") -> Verdict:
    return bench.claim(claim(key))


def test_a_redis_that_was_down_while_an_answer_was_forgotten_loses_its_copy_when_it_is_back(stage: Stage) -> None:
    grant = stage.completed()
    dump = stage.dumped()
    stage.redis.kill()
    assert stage.one.forget(K, grant.fence) == Forgotten(copies_gone=False)
    assert told(stage.one) == told(stage.other) == KeyExpired()
    stage.restored(dump)

    def asked_again() -> bool:
        assert told(stage.one) == told(stage.other) == KeyExpired()
        return stage.one.forget(K, grant.fence) == Forgotten(copies_gone=True)

    eventually(asked_again)
    assert len(stage.copy()) == MARKER


def test_a_redis_that_is_back_loses_the_copy_though_nobody_asks_for_the_key(stage: Stage) -> None:
    grant = stage.completed()
    dump = stage.dumped()
    stage.redis.kill()
    assert stage.one.forget(K, grant.fence) == Forgotten(copies_gone=False)
    stage.restored(dump)

    def swept() -> bool:
        stage.other.sweep()
        return len(stage.copy()) == MARKER

    eventually(swept)


def test_a_redis_restored_from_a_dump_of_before_repeats_nothing_that_was_forgotten(stage: Stage) -> None:
    grant = stage.completed()
    dump = stage.dumped()
    assert stage.one.forget(K, grant.fence) == Forgotten(copies_gone=True)
    assert len(stage.copy()) == MARKER
    stage.redis.kill()
    stage.restored(dump)

    def gone() -> bool:
        assert told(stage.one) == told(stage.other) == KeyExpired()
        return len(stage.copy()) == MARKER

    eventually(gone)
    stage.completed("new")
    stage.other.sweep()
    stage.authority.sever()
    assert isinstance(told(stage.other, "new"), Replay), "it is believed again"


def test_a_gateway_that_cannot_reach_redis_is_helped_by_the_sweep_of_one_that_can(stage: Stage) -> None:
    grant = stage.completed()
    stage.proxy.cut()
    assert stage.one.forget(K, grant.fence) == Forgotten(copies_gone=False)
    assert told(stage.one) == KeyExpired()
    stage.other.sweep()
    assert len(stage.copy()) == MARKER
    assert told(stage.other) == KeyExpired()
    assert stage.one.forget(K, grant.fence) == Forgotten(copies_gone=True), "it cannot look, and the other has noted it"


def test_a_copy_that_arrives_after_the_forgetting_does_not_take_the_markers_place(stage: Stage) -> None:
    grant = stage.one.granted(claim("k"))
    told(stage.one, "warm")
    stage.proxy.up = Direction(delay=0.5)
    before = len(stage.proxy.sent)
    stage.one.settle(grant, Complete(ANSWER))
    eventually(lambda: len(stage.proxy.sent) > before)
    assert stage.copy() == b"", "it is on its way"
    assert stage.other.forget(K, grant.fence) == Forgotten(copies_gone=True)
    server = stage.redis.server.ask
    eventually(lambda: server.info("commandstats")["cmdstat_evalsha"]["calls"] == 2)
    assert len(stage.copy()) == MARKER
    assert told(stage.one) == told(stage.other) == KeyExpired()
