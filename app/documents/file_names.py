"""Names of uploaded files as they may be stored and shown."""

from __future__ import annotations

import re
from pathlib import Path

from app.db import storable

LONGEST = 255
LONGEST_STORED = 1000  # width of `documents.file_name`
UNNAMED = "unnamed"


def name_inside(file: Path, root: Path) -> str:
    """The file's path inside the folder `root`, as citations show it, or its name where it is no folder.

    Two files of one name in two folders are two documents, and never versions of each other.
    """
    inside = file.name if file == root else file.relative_to(root).as_posix()
    return storable(inside)[-LONGEST_STORED:]


def clean_file_name(raw: str) -> str:
    """The last path component without control characters; never empty, the extension survives a cut."""
    name = re.split(r"[/\\]", storable(raw))[-1]
    name = "".join(c for c in name if c.isprintable()).strip()
    if name in {"", ".", ".."}:
        return UNNAMED
    if len(name) <= LONGEST:
        return name
    stem, dot, extension = name.rpartition(".")
    tail = dot + extension if stem and len(extension) <= 20 else ""
    return name[: LONGEST - len(tail)] + tail
