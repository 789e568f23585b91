"""Runs migrations on the connection that `app.db.migrate` opened, inside its transaction."""

from __future__ import annotations

from alembic import context

from app.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
)
context.run_migrations()
