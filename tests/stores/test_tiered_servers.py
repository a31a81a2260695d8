"""Postgres with Redis in front sits the contract: both up, Redis severed from the start, and severed midway."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.faultproxy import Direction, proxying
from tests.postgres import Servers
from tests.redis_servers import shared
from tests.stores.backends import Bench, PostgresBackend, TieredServers
from tests.stores.contract import StoreContract


class TestTieredServers(StoreContract):
    @pytest.fixture(params=["both up", "severed from the start", "severed midway"])
    def bench(self, request: pytest.FixtureRequest, servers: Servers, unused_port: int) -> Iterator[Bench]:
        server, redis = servers.get(), shared("valkey")
        with ExitStack() as stack:
            url = redis.url
            if request.param == "severed from the start":
                url = f"redis://127.0.0.1:{unused_port}/0"
            elif request.param == "severed midway":
                proxy = stack.enter_context(proxying(redis.port))
                proxy.down = Direction(after=6, swallows=True)
                url = f"redis://127.0.0.1:{proxy.port}/0"
            database = stack.enter_context(server.database())
            yield stack.enter_context(Bench(TieredServers(PostgresBackend(server, database), redis, url)))
