"""From a file to embedded chunks, one named stage after the other. Start reading here."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingest.ahead import WorkAhead
from ingest.chunk import chunk
from ingest.failures import ParseFailure, ingest_error
from ingest.likeness import sketch
from ingest.memory import SpanMemory, VectorMemory
from ingest.parse import parse
from ingest.report import quality_report
from ingest.types import (
    ChunkDraft,
    Encode,
    IngestedDocument,
    Keep,
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
    keep: Keep | None = None,
) -> IngestedDocument:
    """All that the file at `path` becomes, ready for one SQL transaction.

    Pages are cut and embedded while later ones are still being read; `seconds` counts that as parsing.
    Raises IngestError, and whatever `progress` raises to stop the work. Outside the result only `keep` is
    written, where another try finds what took long.
    """
    seconds: dict[str, float] = {}
    spans = SpanMemory(token_spans)
    ahead = WorkAhead(
        VectorMemory(encode, None if keep is None else keep.vectors), spans, max_chunk_tokens, progress
    )
    with _timed("parse", seconds):
        folder = None if keep is None else keep.folder
        parsed = parse(path, file_name, limits, progress, password, on_early=ahead.take, keep=folder)
    with _timed("chunk", seconds):
        chunks = _chunk(parsed, file_name, spans, max_chunk_tokens, progress)
        report = quality_report(parsed, chunks)
    with _timed("embed", seconds):
        vectors = ahead.vectors(chunks)
    return IngestedDocument(
        parsed, tuple(chunks), vectors, report, seconds, max_chunk_tokens, sketch(parsed.text)
    )


def _chunk(
    parsed: ParsedDocument, file_name: str, token_spans: TokenSpans, max_chunk_tokens: int, progress: Progress
) -> list[ChunkDraft]:
    chunks = chunk(parsed, token_spans, max_chunk_tokens)
    if not chunks:
        failure = ParseFailure("no_text", "The file holds no text that could be searched.")
        raise ingest_error(failure, "chunk", file_name)
    progress("chunk", len(chunks), len(chunks))
    return chunks


@contextmanager
def _timed(stage: str, seconds: dict[str, float]) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds[stage] = time.perf_counter() - started
