"""One file to its text and structure, read in a child process."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from ingest.failures import ParseFailure, ingest_error
from ingest.ocr import find_recogniser
from ingest.sandbox import run_in_child
from ingest.sniff import MEDIA_TYPES
from ingest.text_health import readable_pages
from ingest.types import ParsedDocument, ParseLimits, Progress
from ingest.wire import load_parsed


def parse(
    path: Path, file_name: str, limits: ParseLimits, progress: Progress, password: str | None = None
) -> ParsedDocument:
    """What the file at `path` says; `file_name` is its name for people, and only a hint of its kind.

    Raises IngestError with a code from `ingest.failures.NEXT_STEPS`. A document without readable text is
    the error `no_text`: silence must never pass for success.
    """
    try:
        return _parse(path, file_name, limits, progress, password)
    except ParseFailure as failure:
        raise ingest_error(failure, "parse", file_name) from failure


def _parse(
    path: Path, file_name: str, limits: ParseLimits, progress: Progress, password: str | None
) -> ParsedDocument:
    _check_size(path, limits)
    task = {
        "task": "parse",
        "path": str(path.resolve()),
        "file_name": file_name,
        "limits": asdict(limits),
    }
    with run_in_child(task, limits, lambda done, total: progress("parse", done, total), password) as folder:
        parsed = load_parsed(folder)
    _require_text(parsed, limits)
    return parsed


def _check_size(path: Path, limits: ParseLimits) -> None:
    size = path.stat().st_size
    if size == 0:
        raise ParseFailure("file_empty", "The file has no bytes.")
    if size > limits.file_bytes:
        raise ParseFailure(
            "file_too_large", f"The file has {size:,} bytes, over the limit of {limits.file_bytes:,}."
        )


def _require_text(parsed: ParsedDocument, limits: ParseLimits) -> None:
    if not any(map(str.isalnum, parsed.text)):
        cause = "The file holds no text, only pictures, signs or nothing at all."
        raise ParseFailure("no_text", cause, no_text_step(parsed.media_type, limits))
    if not readable_pages(parsed):
        cause = "The text of the file is unreadable: its fonts do not say which letters they draw."
        raise ParseFailure("no_text", cause, no_text_step(parsed.media_type, limits))


def no_text_step(media_type: str, limits: ParseLimits) -> str | None:
    """What helps a PDF without text; None for the usual step."""
    if media_type != MEDIA_TYPES["pdf"] or find_recogniser(limits.ocr_languages) is None:
        return None
    return "Text recognition found no words either. Scan it again, larger and clearer, and upload that."
