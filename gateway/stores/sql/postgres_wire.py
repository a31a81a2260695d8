"""Connections to Postgres, as the driver makes them for SQLAlchemy's pool: fit, attentive, and without a memory.

Knows the driver. Nothing here lasts longer than a statement: no transaction, no setting of the session, no lock, no
named statement. So it works through PgBouncer in transaction mode, where each statement may meet another server
process: statements are unnamed, and parsed, bound and run in one go (https://www.pgbouncer.org/features.html).
"""

from typing import Any

import asyncpg
from sqlalchemy import Connection, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from gateway.stores.sql import fitness


class Wire(asyncpg.Connection):  # type: ignore[misc]  # the driver's own base class is untyped
    """A connection that remembers whether the server warned on it, and counts the statements that it answered."""

    __slots__ = ("answered", "warned")

    def __init__(self, *args: Any, **named: Any) -> None:  # noqa: ANN401 - the driver's own
        super().__init__(*args, **named)
        self.warned = False
        self.answered = 0
        self.add_log_listener(_note)

    async def set_type_codec(self, *_: object, **__: object) -> None:
        """Nothing: SQLAlchemy prepares every connection for JSON, which no table here has."""


def _note(wire: Wire, message: asyncpg.PostgresLogMessage) -> None:
    # Nothing that the store does is worth a warning, except this: "The transaction has already committed locally, but
    # might not have been replicated to the standby."
    wire.warned = wire.warned or getattr(message, "severity_en", None) == "WARNING"


def _array(oid: int, element: int, name: str) -> dict[str, Any]:
    array = {"oid": oid, "elemtype": element, "name": f"_{name}", "elemtype_name": name}
    return array | {"ns": "pg_catalog", "elemdelim": ",", "range_subtype": None, "attrtypoids": None, "basetype": None}


# The arrays of the store's statements (pg_type.dat; these numbers never change). The driver would ask for them on each
# new connection, and set ``jit`` meanwhile, for a session that behind PgBouncer is not its own.
_ARRAYS = (_array(1001, 17, "bytea"), _array(1016, 20, "int8"))


async def connect(url: str) -> Wire:
    """A connection to a server that is fit."""
    wire: Wire = await asyncpg.connect(url, connection_class=Wire, statement_cache_size=0)
    wire.get_settings().register_data_types(_ARRAYS)
    try:
        await fitness.demand(wire)
    except BaseException:
        wire.terminate()
        raise
    return wire


def engine_of(url: str, **settings: Any) -> AsyncEngine:  # noqa: ANN401 - settings of an engine
    """An engine on ``url`` whose statements are unnamed; the driver reads the URL, as libpq would."""
    engine = create_async_engine(
        "postgresql+asyncpg://",
        connect_args={
            "async_creator_fn": lambda **_: connect(url),
            "prepared_statement_cache_size": 0,
            "prepared_statement_name_func": lambda: "",
        },
        hide_parameters=True,
        **settings,
    )
    event.listen(engine.sync_engine, "checkout", _check_out)
    event.listen(engine.sync_engine, "after_cursor_execute", _count)
    return engine


def _count(connection: Connection, *_: object) -> None:
    wire = connection.connection.driver_connection
    assert isinstance(wire, Wire)  # noqa: S101 - every connection of the engine is
    wire.answered += 1


def _check_out(connection: Any, *_: object) -> None:  # noqa: ANN401 - the pool's own
    """A connection that the server has closed meanwhile is opened anew, without a question to it."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError
