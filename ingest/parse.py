"""One file to its text and structure, read in a child process."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ingest.early import load_batch
from ingest.failures import ParseFailure, ingest_error
from ingest.keep import find_parsed, keep_parsed
from ingest.memory import KEEP_AFTER_S
from ingest.ocr import find_recogniser, how_to_get_one
from ingest.sandbox import run_in_child
from ingest.sniff import MEDIA_TYPES
from ingest.text_health import readable_pages
from ingest.types import ParsedDocument, ParseLimits, Progress
from ingest.wire import load_parsed

EarlyBatch = Callable[[ParsedDocument, int], None]
"""Called with a batch of pages, a small document of its own, and the number of all pages."""


def no_early_batches(_batch: ParsedDocument, _total: int) -> None:
    """For callers that wait for the whole document."""


def parse(
    path: Path,
    file_name: str,
    limits: ParseLimits,
    progress: Progress,
    password: str | None = None,
    *,
    on_early: EarlyBatch = no_early_batches,
    keep: Path | None = None,
) -> ParsedDocument:
    """What the file at `path` says; `file_name` is its name for people, and only a hint of its kind.

    `on_early` is given pages before the rest is read. In the folder `keep` a result that took long is found
    again by another try.
    Raises IngestError with a code from `ingest.failures.NEXT_STEPS`. A document without readable text is
    the error `no_text`: silence must never pass for success.
    """
    try:
        return _parse(path, file_name, limits, progress, password, on_early, keep)
    except ParseFailure as failure:
        raise ingest_error(failure, "parse", file_name) from failure


def _parse(
    path: Path,
    file_name: str,
    limits: ParseLimits,
    progress: Progress,
    password: str | None,
    on_early: EarlyBatch,
    keep: Path | None,
) -> ParsedDocument:
    _check_size(path, limits)
    task = {
        "task": "parse",
        "path": str(path.resolve()),
        "file_name": file_name,
        "limits": asdict(limits),
    }
    parsed = find_parsed(keep, task)
    if parsed is None:
        parsed = _read(task, limits, progress, password, on_early, keep)
    _require_text(parsed, limits)
    progress("parse", len(parsed.pages), len(parsed.pages))
    return parsed


def _read(
    task: dict[str, Any],
    limits: ParseLimits,
    progress: Progress,
    password: str | None,
    on_early: EarlyBatch,
    keep: Path | None,
) -> ParsedDocument:
    started = time.monotonic()

    def on_page(done: int, total: int) -> None:
        progress("parse", done, total)

    def on_batch(path: Path, total: int) -> None:
        on_early(load_batch(path), total)

    with run_in_child(task, limits, on_page, password, on_batch=on_batch, place=keep) as folder:
        parsed = load_parsed(folder)
        if keep is not None and time.monotonic() - started > KEEP_AFTER_S:
            keep_parsed(keep, task, folder)
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
    if media_type != MEDIA_TYPES["pdf"]:
        return None
    if find_recogniser(limits.ocr_languages) is None:
        return f"{how_to_get_one(limits.ocr_languages)}, or upload a file with text."
    return "Text recognition found no words either. Scan it again, larger and clearer, and upload that."
