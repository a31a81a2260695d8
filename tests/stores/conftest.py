"""Servers come by their name."""

from collections.abc import Iterator

import pytest

from tests import pgbouncer
from tests.faultproxy import FaultProxy, proxying
from tests.redis_servers import BINARIES, RedisServer, shared
from tests.stores.backends import RedisBackend

# Collected where it is installed.
collect_ignore = [] if pgbouncer.installed() else ["test_pgbouncer.py"]


@pytest.fixture(params=BINARIES)
def server(request: pytest.FixtureRequest) -> RedisServer:
    """Each Redis that is here, emptied."""
    running = shared(request.param)
    running.ask.flushall()
    return running


@pytest.fixture
def backend(server: RedisServer) -> RedisBackend:
    return RedisBackend(server)


@pytest.fixture
def proxy(server: RedisServer) -> Iterator[FaultProxy]:
    """What stands between a store and its Redis."""
    with proxying(server.port) as between:
        yield between
