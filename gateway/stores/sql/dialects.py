"""What each dialect says in words of its own: inserts that leave alone what is already there, and many rows at once.

Keyed by SQLAlchemy's name of the dialect. Another database adds one entry to each table here, its clock in
``clock.py``, and a ``Database`` that runs the work. SQLite runs one statement many times; Postgres takes columns as
arrays, so that every batch is one statement of one text, and commits once.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Insert,
    Select,
    Table,
    TableValuedAlias,
    any_,
    bindparam,
    column,
    func,
)
from sqlalchemy.dialects import postgresql, sqlite

Parameters = Sequence[Mapping[str, Any]] | Mapping[str, Any]


def _sqlite(table: Table) -> Insert:
    return sqlite.insert(table).on_conflict_do_nothing()


def _postgresql(table: Table) -> Insert:
    return postgresql.insert(table).on_conflict_do_nothing()


_INSERT: Mapping[str, Callable[[Table], Insert]] = {"sqlite": _sqlite, "postgresql": _postgresql}


def if_absent(table: Table) -> Mapping[str, Insert]:
    """The plain insert into ``table`` by dialect."""
    return {name: insert(table) for name, insert in _INSERT.items()}


def among(of: ColumnElement[Any], name: str) -> Mapping[str, ColumnElement[bool]]:
    """Whether a column's value is among those of the parameter ``name``, a list."""
    return {
        "sqlite": of.in_(bindparam(name, expanding=True)),
        "postgresql": of == any_(bindparam(name, type_=postgresql.ARRAY(of.type))),
    }


def among_batch(of: ColumnElement[bytes], batch: Select[tuple[bytes]]) -> Mapping[str, ColumnElement[bool]]:
    """Whether a column of bytes is among those of ``batch``, a query with a limit.

    On Postgres a row that somebody else is at is not in it, so that nobody waits for anybody; and it is run once and
    made an array, where the planner might otherwise take a batch for each row that it looks at.
    """
    return {
        "sqlite": of.in_(batch),
        "postgresql": of == any_(func.array(batch.with_for_update(skip_locked=True).scalar_subquery())),
    }


def given(table: Table, names: Mapping[str, str]) -> TableValuedAlias:
    """Rows handed to Postgres as one array a column: parameter names by column of ``table``, whose types they have."""
    arrays = [bindparam(name, type_=postgresql.ARRAY(table.c[of].type)) for of, name in names.items()]
    return (
        func.unnest(*arrays)
        .table_valued(*(column(of, table.c[of].type) for of in names), name="given")
        .render_derived()
    )


def arranged(dialect: str, rows: Sequence[Mapping[str, Any]]) -> Parameters:
    """Rows as a statement for many takes them: as they are, or as ``given`` does. There is at least one."""
    return rows if dialect == "sqlite" else {name: [row[name] for row in rows] for name in rows[0]}
