"""The first schema: records, facts, key spaces and erasures.

Revision ID: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None
phase = "before"

_LONG = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_SMALL = sa.SmallInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Creates every table of an empty database."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("PRAGMA application_id = 0x49644777")
    _create_records()
    if op.get_bind().dialect.name == "postgresql":
        # A large answer lies beside its row, and as it came: the server spends no time on making it smaller.
        op.execute("ALTER TABLE records ALTER COLUMN body SET STORAGE EXTERNAL")
    op.create_table(
        "facts",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.LargeBinary, nullable=False),
        sqlite_strict=True,
    )
    op.create_table(
        "key_spaces",
        sa.Column("namespace", sa.Text, primary_key=True),
        sa.Column("settings", sa.Text, nullable=False),
        sqlite_strict=True,
    )
    op.create_table(
        "erasures",
        sa.Column("id", sa.LargeBinary, primary_key=True),
        sa.Column("until", _LONG, primary_key=True),
        sa.Column("erased_in", sa.Text),
        sqlite_strict=True,
    )
    op.create_index("erasures_by_end", "erasures", ["until"])


def _create_records() -> None:
    op.create_table(
        "records",
        sa.Column("turns_at", _LONG, nullable=False),
        sa.Column("fence", _LONG, nullable=False),
        sa.Column("created_at", _LONG),
        sa.Column("forget_at", _LONG),
        sa.Column("response_ms", _LONG),
        sa.Column("key_ms", _LONG),
        sa.Column("unknown_ms", _LONG),
        sa.Column("first_sent_at", _LONG),
        sa.Column("since", _LONG),
        sa.Column("asks_at", _LONG),
        sa.Column("asks", sa.Integer),
        sa.Column("absent", sa.Integer),
        sa.Column("state", _SMALL, nullable=False),
        sa.Column("taken_over", _SMALL),
        sa.Column("waited", _SMALL),
        sa.Column("id", sa.LargeBinary, primary_key=True),
        sa.Column("owner", sa.LargeBinary, nullable=False),
        sa.Column("scope", sa.LargeBinary),
        sa.Column("fingerprint", sa.LargeBinary),
        sa.Column("recipe", sa.Text),
        sa.Column("route", sa.Text, nullable=False),
        sa.Column("key_id", sa.LargeBinary),
        sa.Column("shared", sa.LargeBinary),
        sa.Column("held_by", sa.LargeBinary),
        sa.Column("caller", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("history", sa.Text),
        sa.Column("taken", sa.LargeBinary),
        sa.Column("asks_with", sa.LargeBinary),
        sa.Column("head", sa.LargeBinary),
        sa.Column("body", sa.LargeBinary),
        sa.CheckConstraint("state BETWEEN 1 AND 5", name="state_is_known"),
        sa.CheckConstraint("fence >= 1", name="fence_is_positive"),
        sa.CheckConstraint("(state = 4) = (fingerprint IS NULL)", name="only_released_forgets_fingerprint"),
        sa.CheckConstraint("(state = 4) = (scope IS NULL)", name="only_released_forgets_scope"),
        sa.CheckConstraint("(state = 2) = (head IS NOT NULL)", name="only_completed_has_answer"),
        sa.CheckConstraint("asks_with IS NULL OR state IN (1, 3)", name="only_open_has_values"),
        comment="Idempotency Gateway",
        sqlite_strict=True,
    )
    op.create_index("records_by_turn", "records", ["state", "turns_at"])
    _create_partial_index("records_by_creation", ["state", "created_at"], "state > 1")
    _create_partial_index("records_by_key", ["key_id"], "key_id IS NOT NULL")
    _create_partial_index("records_by_shared", ["shared"], "shared IS NOT NULL", unique=True)
    _create_partial_index("records_by_holder", ["held_by"], "held_by IS NOT NULL")
    _create_partial_index("records_by_asking", ["asks_at"], "asks_at IS NOT NULL")


def _create_partial_index(name: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    condition = sa.text(where)
    op.create_index(name, "records", columns, unique=unique, postgresql_where=condition, sqlite_where=condition)
