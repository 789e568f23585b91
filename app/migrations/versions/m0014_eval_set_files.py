"""Which file an eval set was read from, and whether its questions were changed since."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("eval_sets", sa.Column("file_sha256", sa.String(length=64), nullable=True))
    op.add_column("eval_sets", sa.Column("edited", sa.Boolean(), nullable=False, server_default=sa.false()))
