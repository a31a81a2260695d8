"""The second release brings a remark on each record, and an index in place of another.

Revision ID: 9002
"""

import sqlalchemy as sa
from alembic import op

from gateway.stores.sql.tables import HEAD

revision = "9002"
down_revision = HEAD
branch_labels = None
depends_on = None
phase = "before"


def upgrade() -> None:
    op.add_column("records", sa.Column("remark", sa.Text))
    op.create_index("records_by_state", "records", ["state", "turns_at", "id"])
