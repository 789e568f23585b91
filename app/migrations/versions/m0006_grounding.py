"""Grounding: thresholds of collections, states and checks of answers, boxes of citations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

COLUMNS: tuple[tuple[str, tuple[sa.Column[object], ...]], ...] = (
    ("collections", (sa.Column("evidence_threshold", sa.Float()), sa.Column("gate", sa.JSON()))),
    (
        "messages",
        (
            sa.Column("grounding", sa.String(length=20)),
            sa.Column("checks", sa.JSON()),
            sa.Column("coverage", sa.JSON()),
            sa.Column("weak_evidence", sa.Boolean()),
        ),
    ),
    ("citations", (sa.Column("boxes", sa.JSON()),)),
)


def upgrade() -> None:
    for table, columns in COLUMNS:
        for column in columns:
            op.add_column(table, column)
    op.create_index(op.f("ix_messages_grounding"), "messages", ["grounding"])
    op.execute("UPDATE messages SET grounding = 'refused' WHERE state = 'refused'")


def downgrade() -> None:
    op.drop_index(op.f("ix_messages_grounding"), "messages")
    for table, columns in reversed(COLUMNS):
        for column in columns:
            op.drop_column(table, column.name)
