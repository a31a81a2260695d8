"""The index that only the first release needs.

Revision ID: 9003
"""

from alembic import op

revision = "9003"
down_revision = "9002"
branch_labels = None
depends_on = None
phase = "after"


def upgrade() -> None:
    op.drop_index("records_by_turn", "records")
