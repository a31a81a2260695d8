"""One gateway for all that is only refused."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest

from tests.conftest import Begin
from tests.stage import Stage, playing
from tests.upstream import Upstream, running_upstream


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A gateway whose upstream must stay untouched."""
    folder: Path = tmp_path_factory.mktemp("edge")
    with running_upstream() as upstream, playing(upstream, "memory:", folder) as running:
        yield running


@pytest.fixture
def at_edge(upstream: Upstream, tmp_path: Path) -> Iterator[Begin]:
    """Starts a gateway with the given YAML; what happens at the edge happens before any store, so one will do."""
    with ExitStack() as stack:

        def start(text: str = "") -> Stage:
            stage: AbstractContextManager[Stage] = playing(upstream, "memory:", tmp_path, text)
            return stack.enter_context(stage)

        yield start
