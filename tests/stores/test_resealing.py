"""Answers and values sealed anew, on each store."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway.protocol.model import Replay
from gateway.registry import Resealed
from gateway.stores.redis.front import PREFIX
from gateway.stores.sealing import Sealer
from tests.postgres import Servers, installed
from tests.redis_servers import RedisServer, shared
from tests.stores.backends import Bench, MemoryBackend, PostgresBackend, RedisBackend, SqliteBackend, TieredServers
from tests.stores.requests import ANSWER, claim
from tests.stores.resealing import NEW, OLD, BetweenContract, ResealingContract, counts, reopen, walk

SEALED_BY_OLD = Sealer([OLD])


class TestSqlite(ResealingContract):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> Iterator[Bench]:
        with Bench(SqliteBackend(tmp_path / "store.db", SEALED_BY_OLD)) as bench:
            yield bench


class TestPostgres(ResealingContract, BetweenContract):
    @pytest.fixture(params=installed())
    def bench(self, request: pytest.FixtureRequest, servers: Servers) -> Iterator[Bench]:
        server = servers.get(request.param)
        with server.database() as url, Bench(PostgresBackend(server, url, SEALED_BY_OLD)) as bench:
            yield bench


class TestRedis(ResealingContract, BetweenContract):
    @pytest.fixture
    def bench(self, server: RedisServer) -> Iterator[Bench]:
        with Bench(RedisBackend(server, SEALED_BY_OLD)) as bench:
            yield bench


class TestTieredServers(ResealingContract):
    @pytest.fixture
    def bench(self, servers: Servers) -> Iterator[Bench]:
        redis = shared("valkey")
        with ExitStack() as stack:
            database = stack.enter_context(servers.get().database())
            authority = PostgresBackend(servers.get(), database, SEALED_BY_OLD)
            yield stack.enter_context(Bench(TieredServers(authority, redis, redis.url)))

    def test_c5_a_copy_under_another_key_is_dropped_and_the_next_retry_brings_it_anew(self, bench: Bench) -> None:
        assert isinstance(bench.backend, TieredServers)
        old, new = bench.completed(claim("old"), ANSWER), claim("new")
        ask = bench.backend.redis.ask
        reopen(bench, NEW, OLD)
        bench.completed(new, ANSWER)
        bench.granted(claim("flying"))
        assert ask.exists(PREFIX + old.id.digest, PREFIX + new.id.digest) == 2
        walk(bench, dry=True)
        assert ask.exists(PREFIX + old.id.digest) == 1
        walk(bench)
        assert ask.exists(PREFIX + old.id.digest) == 0
        assert ask.exists(PREFIX + new.id.digest) == 1
        reopen(bench, NEW)
        assert isinstance(bench.claim(claim("old")), Replay)
        assert ask.exists(PREFIX + old.id.digest) == 1
        assert isinstance(bench.claim(claim("old")), Replay)

    def test_c5_copies_that_cannot_be_reached_hold_up_nothing_and_open_for_nobody(self, bench: Bench) -> None:
        assert isinstance(bench.backend, TieredServers)
        bench.completed(claim("k"), ANSWER)
        reopen(bench, NEW, OLD)
        bench.backend.redis.ask.client_pause(1200)
        assert counts(walk(bench)) == (1, 1, 0, 0)
        reopen(bench, NEW)
        assert isinstance(bench.claim(claim("k")), Replay)


def test_c1_what_lies_in_memory_is_not_sealed_and_stays_as_it_is() -> None:
    with Bench(MemoryBackend()) as bench:
        grant = bench.completed(claim("k"), ANSWER)
        before = bench.look(grant.id)
        assert bench.run(bench.store.reseal(None, 10)) == Resealed(looked_at=1)
        assert bench.look(grant.id) == before
