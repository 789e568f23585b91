"""The quality report: what a person should know before trusting answers from a document."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

from ingest.cleaning import REPLACEMENT
from ingest.instructions import instruction_like
from ingest.language import detect_language
from ingest.text_health import garbled_pages, page_text
from ingest.types import ChunkDraft, OddChunk, ParsedDocument, QualityReport

MAX_ODD_CHUNKS: Final = 100
SHORT_CHUNK_TOKENS: Final = 6  # "Page 3 of 12", a lone heading


def quality_report(parsed: ParsedDocument, chunks: Sequence[ChunkDraft] = ()) -> QualityReport:
    """The report on `parsed` and its passages; its warnings are the parser's and those found here."""
    without_text = tuple(page.number for page in parsed.pages if not page_text(parsed, page).strip())
    garbled = garbled_pages(parsed)
    odd = odd_chunks(chunks)
    lost = parsed.text.count(REPLACEMENT) + parsed.characters_lost
    return QualityReport(
        pages=len(parsed.pages),
        pages_without_text=without_text,
        characters=len(parsed.text),
        characters_lost=lost,
        tables=len(parsed.table_spans),
        language=detect_language(parsed.text),
        instruction_like=instruction_like(parsed.text),
        pages_unreadable=garbled,
        pages_recognised=parsed.recognised_pages,
        doubtful_tables=len(parsed.doubtful_tables),
        doubtful_table_pages=_pages_of(parsed, parsed.doubtful_tables),
        odd_chunks=odd[:MAX_ODD_CHUNKS],
        odd_chunk_count=len(odd),
        warnings=(
            *parsed.warnings,
            *_lost_warning(lost),
            *_page_warning(without_text, "without text, so nothing there can be found"),
            *_page_warning(garbled, "with unreadable text, which will not answer questions"),
        ),
    )


def odd_chunks(chunks: Sequence[ChunkDraft]) -> tuple[OddChunk, ...]:
    """Passages without a letter or digit, and those of very few tokens."""
    return tuple(
        OddChunk(chunk.position, "short" if any(map(str.isalnum, chunk.text)) else "empty")
        for chunk in chunks
        if chunk.tokens < SHORT_CHUNK_TOKENS or not any(map(str.isalnum, chunk.text))
    )


def _pages_of(parsed: ParsedDocument, spans: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """Numbers of the pages on which the spans start, each once."""
    starts = [page.start for page in parsed.pages]
    return tuple(sorted({bisect_right(starts, start) for start, _ in spans}))


def _lost_warning(count: int) -> tuple[str, ...]:
    if not count:
        return ()
    return ("1 character could not be read." if count == 1 else f"{count:,} characters could not be read.",)


def _page_warning(numbers: tuple[int, ...], problem: str) -> tuple[str, ...]:
    if not numbers:
        return ()
    shown = ", ".join(map(str, numbers[:20])) + (", ..." if len(numbers) > 20 else "")
    pages = "1 page" if len(numbers) == 1 else f"{len(numbers):,} pages"
    return (f"{pages} {problem}: {shown}.",)
