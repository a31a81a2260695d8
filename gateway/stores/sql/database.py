"""The seam between the SQL store and its dialects."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from sqlalchemy import Connection

Result = TypeVar("Result")


class Database(Protocol):
    """What a dialect brings: it runs work, and raises ``StoreUnavailable`` for whatever the database cannot do."""

    async def write(self, work: Callable[[Connection], Result]) -> Result: ...  # noqa: D102 - see the class

    async def read(self, work: Callable[[Connection], Result]) -> Result: ...  # noqa: D102 - see the class

    async def listen(self, heard: Callable[[str], None]) -> bool:
        """Whether other processes' word (``waiting``) is heard from now on. Never a reason to fail."""
        ...

    async def heard_out(self) -> None:
        """Returns when word that came comes no more; at once where none does, and never where none ever will."""
        ...

    async def close(self) -> None: ...  # noqa: D102 - see the class
