"""The third release brings a table.

Revision ID: 9004
"""

import sqlalchemy as sa
from alembic import op

revision = "9004"
down_revision = "9003"
branch_labels = None
depends_on = None
phase = "before"


def upgrade() -> None:
    op.create_table("remarks", sa.Column("id", sa.LargeBinary, primary_key=True), sqlite_strict=True)
