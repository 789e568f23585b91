"""Folders of the data folder that belong to one database: another one has another history of changes."""

from __future__ import annotations

import hashlib
import shutil
from contextlib import suppress
from pathlib import Path

from sqlalchemy import make_url

from app.settings import Settings

_KINDS = ("index", "evals", "passages")


def index_folder(settings: Settings) -> Path:
    """Where the snapshots of the index are."""
    return _folder(settings, "index")


def eval_folder(settings: Settings) -> Path:
    """Where the indexes of eval sets' corpora are."""
    return _folder(settings, "evals")


def passage_folder(settings: Settings) -> Path:
    """Where the decoder keeps what it has read of the documents."""
    return _folder(settings, "passages")


def adopt_older_folders(settings: Settings) -> None:
    """Give folders that an earlier version named by the database's whole address their present names.

    Called before any of them is opened. What nobody looks for would keep its disk for good, and passages
    would tell of documents long after these are deleted; so where the present name is taken, the older
    folder goes. Processes may start at the same time: who comes second finds nothing to do.
    """
    older = _digest(settings.resolved_database_url)
    if older == _database_digest(settings):
        return
    for kind in _KINDS:
        left, present = settings.data_dir / kind / older, _folder(settings, kind)
        with suppress(FileNotFoundError):
            if present.exists():
                shutil.rmtree(left)
            else:
                left.rename(present)


def _folder(settings: Settings, kind: str) -> Path:
    return settings.data_dir / kind / _database_digest(settings)


def _database_digest(settings: Settings) -> str:
    """The same in a folder that was moved, and under a new password."""
    if not settings.database_url:
        return _digest("in the data folder")
    return _digest(make_url(settings.database_url).render_as_string(hide_password=True))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
