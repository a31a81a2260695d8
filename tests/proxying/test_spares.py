"""A call that was granted finds a descriptor when the process has none left."""

import os
import resource
import socket
from collections.abc import Generator
from contextlib import ExitStack, contextmanager

import pytest

from gateway.errors import NotSent
from gateway.policies.routing import Target
from gateway.proxying.hop import Hop
from gateway.proxying.spares import SPARES
from tests.proxying.conftest import Run
from tests.proxying.conversation import OK, asking, hopping
from tests.proxying.upstream import replies, serving


@contextmanager
def none_left() -> Generator[None]:
    """Takes every descriptor that the process may open; the limit is low meanwhile, so that this is quick."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(map(int, os.listdir("/dev/fd")))  # noqa: PTH208 - numbers, not paths
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 8, limits[1]))
    try:
        with ExitStack() as taken:
            try:
                while True:
                    taken.enter_context(socket.socket())
            except OSError:
                yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_a_connection_is_made_with_a_spare_and_the_spares_come_back(run: Run) -> None:
    async def conversation() -> None:
        # The upstream of these tests is in the same process, so it only listens: its backlog takes the connections.
        with socket.create_server(("127.0.0.1", 0), backlog=16) as listening:
            port = listening.getsockname()[1]
            async with hopping() as hop:
                await _dial_without_descriptors(hop, port)

    run(conversation())


async def _dial_without_descriptors(hop: Hop, port: int) -> None:
    spares = hop.spares
    with none_left():
        opened = [spares.open(socket.socket) for _ in range(SPARES)]
        with pytest.raises(OSError, match="Too many open files"):
            spares.open(socket.socket)
    for sock in opened:
        sock.close()
    spares.open(socket.socket).close()
    assert len(spares._held) == SPARES
    target = Target("http", "127.0.0.1", port)
    with none_left():
        connection = await hop.open(target).obtain()
        assert connection.usable()
        connection.drop()


def test_without_a_spare_nothing_was_sent(run: Run) -> None:
    async def conversation() -> None:
        async with serving(replies(OK)) as upstream, hopping() as hop:
            target = upstream.target()
            hop.open(target)
            hop.spares.close()
            with none_left(), pytest.raises(NotSent):
                await hop.send(target, asking())
            assert upstream.requests == []

    run(conversation())
