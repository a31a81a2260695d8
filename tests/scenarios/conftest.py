"""A database, a Redis and a gateway of one test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import clocks, pgbouncer
from tests.postgres import Server, Servers
from tests.redis_servers import IN_MEMORY
from tests.scenarios.fleet import Fleet
from tests.scenarios.tiers import AskingFleet, Redis
from tests.upstream import Upstream

# Collected where what they need is installed.
collect_ignore = [
    name
    for name, here in (("test_clock_skew.py", clocks.installed()), ("test_pgbouncer.py", pgbouncer.installed()))
    if not here
]


@pytest.fixture
def postgres(servers: Servers) -> Server:
    return servers.get()


@pytest.fixture
def database(postgres: Server) -> Iterator[str]:
    with postgres.database() as url:
        yield url


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    running = Redis.begin(tmp_path / "redis", *IN_MEMORY)
    yield running
    running.kill()


@pytest.fixture
def tiered(database: str, redis: Redis) -> str:
    """The stores of a gateway."""
    return f"{database} {redis.server.url}"


@pytest.fixture
def fleet(upstream: Upstream, tiered: str, tmp_path: Path) -> Iterator[Fleet]:
    """One gateway."""
    with AskingFleet(upstream, tmp_path, tiered) as one:
        yield one
