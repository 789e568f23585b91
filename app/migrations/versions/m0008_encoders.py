"""Vectors of two encoders side by side, which encoder answers, and what chunks were cut by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "encoders",
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("name", sa.String(length=1000), nullable=False),
        sa.Column("dimension", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_encoders")),
    )
    op.execute(
        "INSERT INTO encoders (id, name, dimension, state, started_at, changed_at)"
        " SELECT encoder_id, '', length(vector) / 4, 'active', CURRENT_TIMESTAMP, CURRENT_TIMESTAMP"
        " FROM vectors ORDER BY chunk_id DESC LIMIT 1"
    )
    with op.batch_alter_table("vectors") as batch:
        batch.drop_constraint("pk_vectors", type_="primary")
        batch.create_primary_key("pk_vectors", ["chunk_id", "encoder_id"])
    op.add_column("documents", sa.Column("chunk_tokens", sa.Integer(), nullable=True))
    op.add_column("document_versions", sa.Column("outline", sa.JSON(), nullable=True))
