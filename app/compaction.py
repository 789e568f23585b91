"""Gives the space of deleted rows back, so that their bytes are on the disk no longer."""

from __future__ import annotations

import logging

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

log = logging.getLogger(__name__)


def compact(engine: Engine) -> bool:
    """Rewrites the database without its free pages; False when another process keeps it from that."""
    statements = ["VACUUM"]
    if engine.dialect.name == "sqlite":
        statements = ["PRAGMA wal_checkpoint(TRUNCATE)", "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"]
    with engine.connect() as connection:
        connection.exec_driver_sql("COMMIT") if engine.dialect.name == "sqlite" else connection.rollback()
        if engine.dialect.name != "sqlite":
            connection.execution_options(isolation_level="AUTOCOMMIT")
        try:
            for statement in statements:
                connection.exec_driver_sql(statement)
        except DBAPIError as error:
            log.warning("free space stays in the database for now: %s", error.orig)
            return False
        finally:
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN")  # what the connection is given back with
    return True
