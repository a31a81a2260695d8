"""Every test of the hop runs on both loops."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
import uvloop

from tests.http2upstream import Http2Upstream
from tests.upstream import running_upstream

Run = Callable[[Coroutine[Any, Any, None]], None]

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Runs a conversation to its end; one that hangs fails after 20 s."""
    with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:

        def bounded(conversation: Coroutine[Any, Any, None]) -> None:
            runner.run(asyncio.wait_for(conversation, 20))

        yield bounded


@pytest.fixture
def peer() -> Iterator[Http2Upstream]:
    """An upstream that speaks HTTP/2 by prior knowledge."""
    with running_upstream(kind=Http2Upstream) as running:
        assert isinstance(running, Http2Upstream)
        yield running
