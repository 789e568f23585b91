"""What a database's refusal means for a person: busy, full, damaged or away."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError

from app.errors import AppError


class DatabaseUnavailable(AppError):
    """The database did not answer."""

    status_code = 503
    code = "database_unavailable"
    default_next_step = "Try again; if it stays, check the database and the free disk space."


class DatabaseLocked(DatabaseUnavailable):
    """Another process holds the database."""

    code = "database_locked"
    default_next_step = "Try again; if it stays, end the program that has the database open."


class DatabaseFull(DatabaseUnavailable):
    """The disk has no room for the database; nothing of this request was kept."""

    status_code = 507
    code = "database_full"
    default_next_step = "Free disk space or move FOOTNOTE_DATA_DIR, then try again."


class DatabaseDamaged(DatabaseUnavailable):
    """The database file is damaged."""

    code = "database_damaged"
    default_next_step = "Stop the service, restore the database from a backup, run `footnote doctor`."


_SQLITE: tuple[tuple[str, type[DatabaseUnavailable]], ...] = (
    ("SQLITE_BUSY", DatabaseLocked),
    ("SQLITE_LOCKED", DatabaseLocked),
    ("SQLITE_FULL", DatabaseFull),
    ("SQLITE_IOERR_WRITE", DatabaseFull),
    ("SQLITE_IOERR_FSYNC", DatabaseFull),
    ("SQLITE_CORRUPT", DatabaseDamaged),
    ("SQLITE_NOTADB", DatabaseDamaged),
)
_POSTGRES: dict[str, type[DatabaseUnavailable]] = {  # SQLSTATE, PostgreSQL appendix A
    "53100": DatabaseFull,
    "55P03": DatabaseLocked,
    "XX001": DatabaseDamaged,
    "XX002": DatabaseDamaged,
}


def explained(error: DBAPIError) -> DatabaseUnavailable:
    """The failure behind a driver's error; the driver's own words stay in the log."""
    kind = _kind(error.orig)
    return kind(kind.__doc__ or "")


def _kind(original: BaseException | None) -> type[DatabaseUnavailable]:
    if isinstance(original, sqlite3.Error):
        name = getattr(original, "sqlite_errorname", "")
        return next((kind for prefix, kind in _SQLITE if name.startswith(prefix)), DatabaseUnavailable)
    return _POSTGRES.get(getattr(original, "sqlstate", None) or "", DatabaseUnavailable)
