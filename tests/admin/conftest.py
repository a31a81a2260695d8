"""A gateway with an operator's desk, and calls as operators and their programs make them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.stage import Stage, playing
from tests.upstream import Upstream

READ, SETTLE = "a-token-that-may-read", "a-token-that-may-settle"
TOKENS = f"""
admin:
  listen: 127.0.0.1:0
  tokens:
    - {{name: dashboard, role: read, token: {READ}}}
    - {{name: on-call, role: settle, token: {SETTLE}}}
"""

Open = Callable[..., Stage]


def bearer(token: str) -> tuple[str, str]:
    """The field that shows a token."""
    return ("Authorization", f"Bearer {token}")


@pytest.fixture
def desk(upstream: Upstream, tmp_path: Path) -> Iterator[Open]:
    """Starts a gateway in memory with the given YAML: what operators may do is the same on every store."""
    with ExitStack() as stack:
        yield lambda text="": stack.enter_context(playing(upstream, "memory:", tmp_path, text))
