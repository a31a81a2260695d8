"""Fixtures that every room's tests may use."""

import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest

from tests.postgres import Servers
from tests.redis_servers import shared
from tests.stage import Stage, playing
from tests.upstream import Upstream, running_upstream

# Assertions of the shared laws are explained like those of any test module.
pytest.register_assert_rewrite(
    "tests.stores.contract", "tests.stores.forgetting", "tests.stores.registry", "tests.stores.zoo"
)

Begin = Callable[..., Stage]


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """An upstream that logs every request before it answers."""
    with running_upstream() as running:
        yield running


@pytest.fixture
def unused_port() -> int:
    """A port on loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """The PostgreSQL servers of this session, started as they are asked for."""
    with Servers(tmp_path_factory.mktemp("servers")) as running:
        yield running


def emptied() -> str:
    """The URL of the Redis that tests share, with nothing in it."""
    server = shared("valkey")
    server.ask.flushall()
    return server.url


@pytest.fixture(params=["memory:", "sqlite", "postgres", "redis", "tiered"])
def begin(request: pytest.FixtureRequest, upstream: Upstream, servers: Servers, tmp_path: Path) -> Iterator[Begin]:
    """Starts a gateway with the given YAML, once on each store."""
    with ExitStack() as stack:
        match request.param:
            case "sqlite":
                url = f"sqlite:///{tmp_path / 'gateway.db'}"
            case "postgres":
                url = stack.enter_context(servers.get().database())
            case "redis":
                url = emptied()
            case "tiered":
                url = f"{stack.enter_context(servers.get().database())} {emptied()}"
            case _:
                url = "memory:"

        def start(text: str = "") -> Stage:
            stage: AbstractContextManager[Stage] = playing(upstream, url, tmp_path, text)
            return stack.enter_context(stage)

        yield start
