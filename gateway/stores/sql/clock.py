"""The authority's clock, as an expression that the database evaluates in the statement itself (law 8).

Instants in the database are whole milliseconds since 1970, UTC. Refuses to know the clock of the process it runs in.
Another dialect adds one compilation here.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class AuthorityNow(FunctionElement[int]):
    """Now, in milliseconds; one value for the whole of a statement."""

    inherit_cache = True
    type = BigInteger()


@compiles(AuthorityNow, "sqlite")
def _sqlite(element: AuthorityNow, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ANN401 - its signature
    # The Julian day of 1970 is 2440587.5. A double holds today's to 40 microseconds.
    return "CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)"


@compiles(AuthorityNow, "postgresql")
def _postgresql(element: AuthorityNow, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ANN401 - its signature
    # When the server received this statement; outside of a transaction that is what clock_timestamp() says as the
    # statement begins. Unlike that one it is the same value in all of the statement, and may be searched in an index.
    return "CAST(EXTRACT(EPOCH FROM statement_timestamp()) * 1000 AS BIGINT)"


def milliseconds(duration: timedelta) -> int:
    """A duration as it is stored."""
    return duration // _MILLISECOND


def instant(stored: int) -> datetime:
    """A stored instant; ``OverflowError`` where it is none."""
    return _EPOCH + timedelta(milliseconds=stored)


def since_1970(at: datetime) -> int:
    """An instant as it is stored."""
    return milliseconds(at - _EPOCH)


def duration(stored: int) -> timedelta:
    """A stored duration."""
    return timedelta(milliseconds=stored)
