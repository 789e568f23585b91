"""From a file to embedded chunks, one named stage after the other. Start reading here."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingest.chunk import chunk
from ingest.embed import embed
from ingest.failures import ParseFailure, ingest_error
from ingest.parse import parse
from ingest.report import quality_report
from ingest.types import (
    ChunkDraft,
    Encode,
    IngestedDocument,
    ParsedDocument,
    ParseLimits,
    Progress,
    TokenSpans,
)


def ingest_file(
    path: Path,
    file_name: str,
    *,
    encode: Encode,
    token_spans: TokenSpans,
    max_chunk_tokens: int,
    limits: ParseLimits,
    progress: Progress,
    password: str | None = None,
) -> IngestedDocument:
    """All that the file at `path` becomes, ready for one SQL transaction.

    Raises IngestError, and whatever `progress` raises to stop the work. Nothing is kept outside the result.
    """
    seconds: dict[str, float] = {}
    with _timed("parse", seconds):
        parsed = parse(path, file_name, limits, progress, password)
    with _timed("chunk", seconds):
        chunks = _chunk(parsed, file_name, token_spans, max_chunk_tokens, progress)
        report = quality_report(parsed, chunks)
    with _timed("embed", seconds):
        vectors = embed(chunks, encode, progress)
    return IngestedDocument(parsed, tuple(chunks), vectors, report, seconds)


def _chunk(
    parsed: ParsedDocument, file_name: str, token_spans: TokenSpans, max_chunk_tokens: int, progress: Progress
) -> list[ChunkDraft]:
    progress("chunk", 0, 1)
    chunks = chunk(parsed, token_spans, max_chunk_tokens)
    if not chunks:
        failure = ParseFailure("no_text", "The file holds no text that could be searched.")
        raise ingest_error(failure, "chunk", file_name)
    progress("chunk", 1, 1)
    return chunks


@contextmanager
def _timed(stage: str, seconds: dict[str, float]) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds[stage] = time.perf_counter() - started
