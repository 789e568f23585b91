"""What the decoder keeps on disk of passages that it has read goes with the first deletion of a document.

The files tell the text of what was read, and none of them says of which document. So a deletion takes all
of them, at once and again when every question that began before it is over: one that was under way may have
kept a passage since. Only then a file says up to which deletion the folder is clean; without that, as after a
crash, the next start clears it. It does not matter whether the setting that fills the folder is still on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from sqlalchemy.orm import Session

from app.documents import index_log

CLEAN_UP_TO = "clean-up-to"  # holds the id of a deletion
LONGEST_QUESTION_S = 120.0


def kept_files(folder: Path) -> list[Path]:
    """All files that may tell the text of a passage, unfinished ones included."""
    return [path for path in _files(folder) if not path.name.startswith(CLEAN_UP_TO)]


def has_deleted(session: Session, folder: Path) -> bool:
    """True when files may be of a document that was deleted."""
    return bool(kept_files(folder)) and _clean_up_to(folder) != index_log.last_deletion_id(session)


def clear(folder: Path) -> None:
    """Remove all passages; raises OSError when one cannot be removed."""
    for path in kept_files(folder):
        path.unlink(missing_ok=True)


def mark_clean(folder: Path, deletion_id: int) -> None:
    """Say that no file is of a document that this deletion or one before it took out."""
    if folder.is_dir():
        unfinished = folder / f"{CLEAN_UP_TO}.{os.getpid()}"
        unfinished.write_text(str(deletion_id))
        unfinished.replace(folder / CLEAN_UP_TO)


class Forgetting:
    """Follows deletions in one process; `advance` in every round."""

    def __init__(
        self,
        folder: Path,
        forget_memory: Callable[[], None],
        seen_id: int,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`forget_memory` drops what the decoder of this process holds, and may refuse by an exception;
        `seen_id` is the change behind which this process looks for deletions.
        """
        self._folder, self._forget_memory, self._now_s = folder, forget_memory, now_s
        self._seen_id = seen_id
        self._is_due, self._is_started = False, False
        self._deletion_id = 0  # the newest one when passages were last forgotten at once
        self._again_at_s: float | None = None

    def advance(self, session: Session) -> None:
        """Raises what `forget_memory` does; OSError."""
        newest_id = index_log.last_id(session)  # first: the next round sees what is deleted from here on
        self._is_due |= bool(index_log.deleted_after(session, self._seen_id))
        self._is_due |= not self._is_started and has_deleted(session, self._folder)
        self._seen_id = newest_id
        self._is_started = True
        if self._is_due:
            self._deletion_id = index_log.last_deletion_id(session)
            self._forget()
            self._is_due, self._again_at_s = False, self._now_s() + LONGEST_QUESTION_S
        elif self._again_at_s is not None and self._now_s() >= self._again_at_s:
            self._forget()
            mark_clean(self._folder, self._deletion_id)
            self._again_at_s = None

    def _forget(self) -> None:
        clear(self._folder)
        self._forget_memory()


def _files(folder: Path) -> Iterator[Path]:
    with suppress(FileNotFoundError):
        yield from (path for path in folder.iterdir() if path.is_file())


def _clean_up_to(folder: Path) -> int:
    """0 when nothing is known, which is right as long as nothing was deleted."""
    try:
        return int((folder / CLEAN_UP_TO).read_text())
    except (OSError, ValueError):
        return 0
