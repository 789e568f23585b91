"""Every way a file can fail: one stable code each, with the step that usually helps.

Parsers know the cause but neither the file's name nor the stage; they raise `ParseFailure`, and the
edge of ingest turns it into an `IngestError`.
"""

from __future__ import annotations

from typing import Final

from ingest.errors import IngestError
from ingest.types import Stage

NEXT_STEPS: Final[dict[str, str]] = {
    "file_empty": "Check the original file and upload it again.",
    "file_unknown_type": "Convert it to PDF, Word, HTML, a spreadsheet or plain text and upload that.",
    "file_truncated": "Download or copy the file again; the upload or the original is incomplete.",
    "file_damaged": "Open the file in its own program, save a fresh copy and upload that.",
    "file_encrypted": "Retry a PDF with its password; of other files remove the password and upload again.",
    "password_wrong": "Retry with the right password: it is not the one the file was protected with.",
    "file_too_large": "Split the file into smaller ones and upload those.",
    "archive_bomb": "Save a fresh copy in the program that made the file; its packing is not normal.",
    "archive_unsafe": "Pack the files again with an ordinary archive program and upload that.",
    "no_text": "Check the original file, and upload one with text.",
    "parse_timeout": "Split the file, or raise FOOTNOTE_PARSE_TIMEOUT_S and retry.",
    "parse_memory": "Split the file, or raise FOOTNOTE_PARSE_MEMORY_BYTES and retry.",
    "parse_crashed": "Retry once; if it fails again, save a fresh copy of the file in its own program.",
    "parse_disk_full": "Free disk space where FOOTNOTE_DATA_DIR is, then retry.",
    "encoding_unknown": "Save the file as UTF-8 text and upload it again.",
}
"""Stable error code to its usual next step."""

RETRIABLE: Final = frozenset({"parse_timeout", "parse_crashed", "parse_disk_full"})
"""Codes where the same bytes may succeed on a calmer machine."""


class ParseFailure(Exception):
    """An expected failure as a parser sees it: a code from `NEXT_STEPS` and the cause in plain words."""

    def __init__(
        self, code: str, cause: str, next_step: str | None = None, *, page: int | None = None
    ) -> None:
        super().__init__(cause)
        self.code = code
        self.cause = cause
        self.next_step = next_step or NEXT_STEPS[code]
        self.page = page  # 1-based, where it is known


def ingest_error(failure: ParseFailure, stage: Stage, file_name: str) -> IngestError:
    """`failure` with the file and stage that the edge knows."""
    return IngestError(
        failure.code,
        stage=stage,
        file_name=file_name,
        cause=failure.cause,
        next_step=failure.next_step,
        permanent=failure.code not in RETRIABLE,
        page=failure.page,
    )
