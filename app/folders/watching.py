"""`footnote ingest PATH --watch`: rounds until told to stop."""

from __future__ import annotations

import threading
from pathlib import Path

from app.documents.local import Tell
from app.errors import InvalidRequest
from app.folders.keeping import FolderKeeper, Round
from app.services import Services

LOOK_EVERY_S = 2.0  # a file is taken when two looks found it the same


def watch_folder(
    services: Services,
    folder: Path,
    collection: str,
    tell: Tell,
    stop: threading.Event,
    *,
    password: str | None = None,
    every_s: float = LOOK_EVERY_S,
) -> None:
    """Keeps the collection in step until `stop`; `password` opens protected PDFs.

    Raises InvalidRequest when this is no folder.
    """
    if not folder.is_dir():
        raise InvalidRequest(f"There is no folder {folder}.", next_step="Check the path.")
    keeper = FolderKeeper(services, folder, collection, tell, password)
    tell(f"Watching {folder.resolve()} for the collection {collection}; Ctrl-C ends it.")
    problem: str | None = None
    while not stop.is_set():
        done = keeper.round()
        if line := _line(done):
            tell(line)
        if done.problem is not None and done.problem != problem:
            tell(done.problem)
        problem = done.problem
        stop.wait(0.0 if done.more else every_s)


def _line(done: Round) -> str:
    counts = {
        "added": done.added,
        "changed": done.changed,
        "renamed": done.renamed,
        "removed": done.removed,
        "refused": done.refused,
    }
    return ", ".join(f"{len(paths)} {what}" for what, paths in counts.items() if paths)
