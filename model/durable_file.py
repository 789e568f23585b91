"""A finished file gets its name: whoever finds the name finds all of its bytes, after a power cut too."""

from __future__ import annotations

import os
from pathlib import Path


def publish(unfinished: Path, path: Path) -> None:
    """Rename a finished file of the same file system, once its bytes are on the disk; raises OSError."""
    with unfinished.open("rb") as file:
        os.fsync(file.fileno())
    unfinished.replace(path)
