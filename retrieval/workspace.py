"""Folders that several processes share: an advisory lock, and scratch space that dies with its process."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

_PREFIX = "work-"
_OWNER = "owner.lock"

CREATE_TRIES = 10  # of a folder that others remove
REMOVE_TRIES = 5
REMOVE_PAUSE_S = 0.1


@contextmanager
def exclusive(folder: Path, *, create: bool = False) -> Iterator[None]:
    """One process or thread at a time inside; the kernel frees the lock when its holder dies.

    Raises FileNotFoundError when the folder is not there, unless it may `create` it.
    """
    descriptor, tries = None, CREATE_TRIES if create else 1
    while descriptor is None:
        try:
            if create:
                folder.mkdir(parents=True, exist_ok=True)
            descriptor = _lock_of(folder)
        except (FileExistsError, FileNotFoundError):  # the first: it was there and then was not
            tries -= 1
            if not tries:
                raise
    try:
        yield
    finally:
        os.close(descriptor)


def _lock_of(folder: Path) -> int | None:
    """An open descriptor that holds the folder's lock; None when that folder was removed meanwhile."""
    path = folder / ".lock"
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


class Workspace:
    """A private folder inside `parent`, held by a lock as long as its process lives.

    Create it inside `exclusive(parent)`, which also sweeps the folders of processes that died.
    """

    def __init__(self, parent: Path) -> None:
        for folder in parent.glob(f"{_PREFIX}*"):
            _remove_if_abandoned(folder)
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        self._descriptor: int | None = _try_lock(self.path)

    def close(self) -> None:
        """Remove the folder and let go of the lock; safe to call twice."""
        if self._descriptor is None:
            return
        _remove_tree(self.path)
        os.close(self._descriptor)
        self._descriptor = None


def remove_unused(parent: Path) -> None:
    """Remove a folder with everything in it, unless it is gone or somebody works in a workspace there."""
    with suppress(FileNotFoundError), exclusive(parent):
        for folder in parent.glob(f"{_PREFIX}*"):
            _remove_if_abandoned(folder)
        if not any(parent.glob(f"{_PREFIX}*")):
            # Under another name: the lock goes first, and who came then would work in what is being removed.
            removed = parent.rename(parent.with_name(f"{parent.name}-{uuid4().hex}"))
            _remove_tree(removed)


def _remove_tree(folder: Path) -> None:
    """Try again where another is at work in the folder.

    Tantivy's file watcher may write a lock file while it is being removed, and a process that starts may
    take it for abandoned once its lock file is gone, and remove it as well.
    """
    for _ in range(REMOVE_TRIES - 1):
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            if not folder.exists():
                return
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:
                raise
            time.sleep(REMOVE_PAUSE_S)
        else:
            return
    shutil.rmtree(folder)


def _remove_if_abandoned(folder: Path) -> None:
    descriptor = _try_lock(folder)
    if descriptor is not None:
        shutil.rmtree(folder, ignore_errors=True)  # its owner may be removing it, too
        os.close(descriptor)


def _try_lock(folder: Path) -> int | None:
    """An open descriptor that holds the folder's lock; None when another owner holds it or it is gone."""
    with suppress(FileNotFoundError):
        descriptor = os.open(folder / _OWNER, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor
    return None
