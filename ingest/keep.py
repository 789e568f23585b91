"""The finished parse of a file, kept between two tries of its job."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from functools import cache
from pathlib import Path
from typing import Any, Final

from ingest.types import ParsedDocument
from ingest.wire import RESULT_FILES, load_parsed

_SOURCES: Final = Path(__file__).resolve().parent


def find_parsed(keep: Path | None, task: dict[str, Any]) -> ParsedDocument | None:
    """The document that this very task gave before, or None."""
    if keep is None or not (folder := _place(keep, task)).is_dir():
        return None
    try:
        return load_parsed(folder)
    except (OSError, ValueError, KeyError, TypeError):  # half gone or of another form: read the file again
        shutil.rmtree(folder, ignore_errors=True)
        return None


def keep_parsed(keep: Path, task: dict[str, Any], result: Path) -> None:
    """Moves the result out of the child's folder, under its final name only when it is whole."""
    final = _place(keep, task)
    partial = final.with_suffix(".part")
    try:
        partial.mkdir(parents=True)
        for name in RESULT_FILES:
            if (result / name).exists():
                os.replace(result / name, partial / name)
        partial.rename(final)
    except OSError:  # nothing is lost but the head start of another try
        shutil.rmtree(partial, ignore_errors=True)


def _place(keep: Path, task: dict[str, Any]) -> Path:
    """Another file, other limits or other code of ours: another place."""
    key = json.dumps([task, _code_digest()], sort_keys=True).encode()
    return keep / f"parsed-{hashlib.sha256(key).hexdigest()[:32]}"


@cache
def _code_digest() -> str:
    """Of everything that has a part in parsing."""
    digest = hashlib.sha256()
    for path in sorted(_SOURCES.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
