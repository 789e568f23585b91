"""The quality report: what a person should know before trusting answers from a document."""

from __future__ import annotations

from ingest.cleaning import REPLACEMENT
from ingest.instructions import instruction_like
from ingest.language import detect_language
from ingest.text_health import garbled_pages, page_text
from ingest.types import ParsedDocument, QualityReport


def quality_report(parsed: ParsedDocument) -> QualityReport:
    """The report on `parsed`; its warnings are the parser's and those found here."""
    without_text = tuple(page.number for page in parsed.pages if not page_text(parsed, page).strip())
    garbled = garbled_pages(parsed)
    return QualityReport(
        pages=len(parsed.pages),
        pages_without_text=without_text,
        characters=len(parsed.text),
        characters_lost=parsed.text.count(REPLACEMENT) + parsed.characters_lost,
        tables=len(parsed.table_spans),
        language=detect_language(parsed.text),
        instruction_like=instruction_like(parsed.text),
        warnings=(
            *parsed.warnings,
            *_lost_warning(parsed.characters_lost),
            *_page_warning(without_text, "have no text; run text recognition (OCR) to make them searchable"),
            *_page_warning(garbled, "have unreadable text and will not answer questions"),
        ),
    )


def _lost_warning(count: int) -> tuple[str, ...]:
    return (f"{count} unreadable or control characters were left out.",) if count else ()


def _page_warning(numbers: tuple[int, ...], problem: str) -> tuple[str, ...]:
    if not numbers:
        return ()
    shown = ", ".join(map(str, numbers[:20])) + (", ..." if len(numbers) > 20 else "")
    return (f"{len(numbers)} pages {problem}: {shown}.",)
