"""What a folder holds now, and how that differs from what it gave before (the difference is pure)."""

from __future__ import annotations

import fnmatch
import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from app.db import storable

UNFINISHED = ("~$*", "*~", "*.tmp", "*.temp", "*.part", "*.partial", "*.crdownload", "*.download", "*.swp")
"""Names that editors, browsers and office programs give to files they have not finished."""
_UNFINISHED = re.compile("|".join(map(fnmatch.translate, UNFINISHED)))


@dataclass(frozen=True, slots=True)
class FileState:
    """What tells a changed file from an unchanged one without reading it."""

    size_bytes: int
    modified_ns: int


Snapshot = Mapping[str, FileState]
"""Relative path, with `/`, to the state of the file."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at a folder found, and where it could not see."""

    files: Snapshot
    unreadable: tuple[str, ...] = ()  # relative paths of folders and files: nothing is known of what is there

    def may_hold(self, path: str) -> bool:
        """Whether the file could be there unseen."""
        return any(path == blind or path.startswith(f"{blind}/") for blind in self.unreadable)


@dataclass(frozen=True, slots=True)
class Known:
    """A file that was read before."""

    state: FileState
    sha256: str


@dataclass(frozen=True, slots=True)
class Difference:
    """Relative paths."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


def scan(root: Path) -> Look:
    """Every regular file below `root` but hidden and unfinished ones; links are followed to files only.

    Raises OSError when the folder itself cannot be read; what vanishes meanwhile is left out.
    """
    os.scandir(root).close()  # os.walk would only report an error here
    found: dict[str, FileState] = {}
    blind: list[str] = []

    def cannot_see(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):  # those have vanished
            blind.append(_relative(error.filename, root))

    for folder, names, files in os.walk(root, onerror=cannot_see):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in files:
            if _is_ignored(name):
                continue
            path = os.path.join(folder, name)
            inside = _relative(path, root)
            if storable(inside) != inside:  # no text: it could neither be stored nor shown
                blind.append(storable(inside))
                continue
            try:
                state = _state(path)
            except OSError as error:
                cannot_see(error)
            else:
                if state is not None:
                    found[inside] = state
    return Look(found, tuple(blind))


def settled(before: Snapshot, now: Snapshot) -> dict[str, FileState]:
    """Files that look the same in two looks a while apart: nobody is writing them."""
    return {name: state for name, state in now.items() if before.get(name) == state and state.size_bytes}


def compare(known: Mapping[str, Known], before: Snapshot, now: Snapshot) -> Difference:
    """What to do after two looks a while apart.

    A file that is being written is left for later, and one counts as removed only when both looks missed it:
    by then a file that was renamed has settled under its new name.
    """
    ready = settled(before, now)
    return Difference(
        added=tuple(sorted(name for name in ready if name not in known)),
        changed=tuple(sorted(name for name in ready if name in known and known[name].state != ready[name])),
        removed=tuple(sorted(name for name in known if name not in now and name not in before)),
    )


def renames(
    known: Mapping[str, Known], difference: Difference, digest: Callable[[str], str]
) -> dict[str, str]:
    """New path to old path, where an added file has the bytes of a removed one; each is used once."""
    gone = {known[name].sha256: name for name in reversed(difference.removed)}
    return {
        name: old for name in difference.added if gone and (old := gone.pop(digest(name), None)) is not None
    }


def _is_ignored(name: str) -> bool:
    return name.startswith(".") or _UNFINISHED.match(name.lower()) is not None


def _relative(path: str, root: Path) -> str:
    return os.path.relpath(path, root).replace(os.sep, "/")


def _state(path: str) -> FileState | None:
    """None for what is no regular file, also a link to nothing; raises OSError where nothing can be seen."""
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return FileState(found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None
