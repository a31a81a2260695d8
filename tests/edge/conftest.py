"""One gateway for all that is only refused."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stage import Stage, playing
from tests.upstream import running_upstream


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A gateway whose upstream must stay untouched."""
    folder: Path = tmp_path_factory.mktemp("edge")
    with running_upstream() as upstream, playing(upstream, "memory:", folder) as running:
        yield running
