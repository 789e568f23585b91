"""Opens a PDF with PDFium; one that it refuses is repaired first, where that is possible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pypdfium2
import pypdfium2.raw as pdfium

from ingest.failures import ParseFailure

_END_MARK_WITHIN_BYTES: Final = 2048
_SHOWN_PAGES: Final = 20


@dataclass(frozen=True, slots=True)
class Damage:
    """Why a file could not be opened as it is, and what its repair could not bring back."""

    refusal: ParseFailure  # for a file whose repair gives no text
    page_count: int
    lost_pages: tuple[int, ...]
    incomplete_pages: tuple[int, ...]

    def warnings(self) -> tuple[str, ...]:
        """What a person should know of a document that was repaired."""
        first = (
            f"The file is damaged and was repaired. {self.refusal.cause} "
            f"{self._pages('Lost, and left blank', self.lost_pages) or 'No page is lost.'} "
            "Upload a complete copy as a new version where you can."
        )
        incomplete = self._pages("Repaired without a picture or a part like it", self.incomplete_pages)
        return (first, incomplete) if incomplete else (first,)

    def _pages(self, what: str, numbers: Sequence[int]) -> str:
        if not numbers:
            return ""
        shown = ", ".join(map(str, numbers[:_SHOWN_PAGES])) + (", ..." if len(numbers) > _SHOWN_PAGES else "")
        return f"{what}: {len(numbers)} of {self.page_count} pages ({shown})."


def open_pdf(path: Path, password: str | None = None) -> tuple[pypdfium2.PdfDocument, Damage | None]:
    """The open document, and what is missing of it where it had to be repaired.

    Without a password the empty one is tried, which many files have.
    Raises ParseFailure `file_encrypted`, `password_wrong`, `file_truncated` or `file_damaged`.
    """
    try:
        document = pypdfium2.PdfDocument(path, password)
    except pypdfium2.PdfiumError as error:
        refusal = _refusal(path, error.err_code, password)
        if refusal.code not in ("file_truncated", "file_damaged"):
            raise refusal from error
        return _repaired(path, password, refusal)
    if len(document) == 0:
        document.close()
        return _repaired(path, password, ParseFailure("file_damaged", "The file has no pages."))
    return document, None


def _repaired(
    path: Path, password: str | None, refusal: ParseFailure
) -> tuple[pypdfium2.PdfDocument, Damage]:
    from ingest.parsers.pdf_repair import RepairRefused, repair_pdf  # few files need it

    try:
        repaired = repair_pdf(path.read_bytes(), password)
        document = pypdfium2.PdfDocument(repaired.data)
    except (RepairRefused, pypdfium2.PdfiumError) as error:
        raise refusal from error
    damage = Damage(refusal, repaired.page_count, repaired.lost_pages, repaired.incomplete_pages)
    return document, damage


def _refusal(path: Path, code: int | None, password: str | None) -> ParseFailure:
    if code == pdfium.FPDF_ERR_PASSWORD and password:
        return ParseFailure("password_wrong", "The password does not open the file.")
    if code == pdfium.FPDF_ERR_PASSWORD:
        return ParseFailure("file_encrypted", "The file is protected with a password.")
    if code == pdfium.FPDF_ERR_SECURITY:
        return ParseFailure("file_encrypted", "The file is protected in a way that cannot be opened.")
    with path.open("rb") as stream:
        stream.seek(-min(_END_MARK_WITHIN_BYTES, path.stat().st_size), 2)
        if b"%%EOF" not in stream.read():
            return ParseFailure("file_truncated", "The file ends before its table of contents.")
    return ParseFailure("file_damaged", "The structure of the file is broken.")
