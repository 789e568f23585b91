"""Jobs know since when they run, the count of every stage and the time that is left."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("started_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("jobs", sa.Column("stages", sa.JSON(), nullable=True))
    op.add_column("jobs", sa.Column("seconds_left", sa.Float(), nullable=True))
