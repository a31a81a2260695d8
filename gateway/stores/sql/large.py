"""``stores.large`` for functions over a connection, which await nothing themselves.

Knows that those of SQLite are in a thread already, and those of Postgres on the loop.
"""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.util.concurrency import await_only, in_greenlet

from gateway.stores.large import LARGE, aside

Result = TypeVar("Result")


def apart(size: int, work: Callable[[], Result]) -> Result:
    """``work``; where it is about many bytes a thread does it, and the loop goes on meanwhile."""
    return work() if size < LARGE or not in_greenlet() else await_only(aside(size, work))
