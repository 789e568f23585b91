"""One file to its text and structure, read in a child process."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from ingest.failures import ParseFailure, ingest_error
from ingest.sandbox import run_in_child
from ingest.text_health import readable_pages
from ingest.types import ParsedDocument, ParseLimits, Progress
from ingest.wire import load_parsed


def parse(path: Path, file_name: str, limits: ParseLimits, progress: Progress) -> ParsedDocument:
    """What the file at `path` says; `file_name` is its name for people, and only a hint of its kind.

    Raises IngestError with a code from `ingest.failures.NEXT_STEPS`. A document without readable text is
    the error `no_text`: silence must never pass for success.
    """
    try:
        return _parse(path, file_name, limits, progress)
    except ParseFailure as failure:
        raise ingest_error(failure, "parse", file_name) from failure


def _parse(path: Path, file_name: str, limits: ParseLimits, progress: Progress) -> ParsedDocument:
    _check_size(path, limits)
    task = {
        "task": "parse",
        "path": str(path.resolve()),
        "file_name": file_name,
        "limits": asdict(limits),
    }
    with run_in_child(task, limits, lambda done, total: progress("parse", done, total)) as folder:
        parsed = load_parsed(folder)
    _require_text(parsed)
    return parsed


def _check_size(path: Path, limits: ParseLimits) -> None:
    size = path.stat().st_size
    if size == 0:
        raise ParseFailure("file_empty", "The file has no bytes.")
    if size > limits.file_bytes:
        raise ParseFailure(
            "file_too_large", f"The file has {size:,} bytes, over the limit of {limits.file_bytes:,}."
        )


def _require_text(parsed: ParsedDocument) -> None:
    if not parsed.text.strip():
        raise ParseFailure("no_text", "The file holds no text, only pictures or nothing at all.")
    if not readable_pages(parsed):
        raise ParseFailure(
            "no_text", "The text of the file is unreadable: its fonts do not say which letters they draw."
        )
