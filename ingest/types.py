"""The vocabulary of ingest: a parsed document, its pages and its chunks.

This module imports nothing of ours, so everything else may import it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Stage = Literal["stored", "parse", "chunk", "embed", "index"]
"""The named stages of the life of a document, in order."""

Progress = Callable[[Stage, int, int], None]
"""Called with (stage, done, total); raising from it stops the ingest (lease lost, cancelled)."""

Encode = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts to unit vectors, float32 [B, C]."""

TokenSpans = Callable[[str], Sequence[tuple[int, int]]]
"""Text to the character span (start, end) of each encoder token, in order, without special tokens."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page: a slice of the document's text. Pages cover the text without gap or overlap."""

    number: int  # 1-based position in the file
    start: int  # character offset in the document's text, inclusive
    end: int  # exclusive
    label: str | None = None  # printed label where the format stores one (iii, 12)
    width_pt: float | None = None  # points (1/72 inch); None where the format has no geometry
    height_pt: float | None = None
    boxes: NDArray[np.float32] | None = None  # [end - start, 4] left, bottom, right, top in points; NaN for
    # characters without a box (line breaks). PDF only.


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading and where its line starts in the document's text."""

    level: int  # 1 is the outermost
    text: str
    start: int


class EarlyPage(Protocol):
    """Called by a parser with a page as far as it is known; offsets count from the page's own start."""

    def __call__(
        self, text: str, headings: Sequence[Heading] = (), table_spans: Sequence[tuple[int, int]] = ()
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """A file's text with its structure. Every offset in the product refers to `text`."""

    text: str  # no NUL, newline is \n
    pages: tuple[Page, ...]  # at least one; a format without pages has one
    paged: bool  # True where page numbers mean something to a reader (PDF, slides, sheets)
    media_type: str  # what the bytes are, not what the name says
    headings: tuple[Heading, ...] = ()
    table_spans: tuple[tuple[int, int], ...] = ()  # spans of table rows or blocks: not split inside a row
    title: str | None = None
    characters_lost: int = 0  # unreadable and control characters that were left out
    doubtful_tables: tuple[tuple[int, int], ...] = ()  # those of table_spans whose columns are a guess
    recognised_pages: tuple[int, ...] = ()  # numbers of pages whose text was read from their picture
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChunkDraft:
    """A passage before it has an id: parsed.text[start:end] == text."""

    position: int  # 0-based order in the document
    start: int
    end: int
    text: str
    page_first: int | None  # None where the document is not paged
    page_last: int | None
    headings: tuple[str, ...]  # outermost first
    tokens: int  # encoder tokens


@dataclass(frozen=True, slots=True)
class OddChunk:
    """A passage that can hardly answer a question."""

    position: int  # 0-based order in the document
    reason: Literal["empty", "short"]  # no letter or digit; very few words


@dataclass(frozen=True, slots=True)
class QualityReport:
    """What a person should know before trusting answers from this document."""

    pages: int
    pages_without_text: tuple[int, ...]
    characters: int
    characters_lost: int  # replacement characters and removed control characters
    tables: int
    language: str | None  # ISO 639-1
    instruction_like: tuple[str, ...]  # excerpts that address a model; shown, never obeyed
    pages_unreadable: tuple[int, ...] = ()  # with text that is no language, so it cannot answer
    pages_recognised: tuple[int, ...] = ()  # read from their picture, so letters and figures may be wrong
    doubtful_tables: int = 0  # of `tables`: their columns are a guess
    doubtful_table_pages: tuple[int, ...] = ()
    odd_chunks: tuple[OddChunk, ...] = ()  # the first MAX_ODD_CHUNKS of them
    odd_chunk_count: int = 0
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class IngestedDocument:
    """All that one file becomes, ready for one SQL transaction."""

    parsed: ParsedDocument
    chunks: tuple[ChunkDraft, ...]
    vectors: NDArray[np.float32]  # [len(chunks), C]
    report: QualityReport
    seconds: dict[str, float] = field(default_factory=dict)  # per stage
    max_chunk_tokens: int | None = None  # what the chunks were cut to
    sketch: NDArray[np.uint32] | None = None  # of the text, to find others like it: `ingest.likeness`


@dataclass(frozen=True, slots=True)
class Keep:
    """Where the tries of one job find what an earlier one has done."""

    folder: Path  # exists
    vectors: Path  # file inside it, named by `ingest.memory.vectors_file`


@dataclass(frozen=True, slots=True)
class ParseLimits:
    """Bounds on one parse, enforced on the child process."""

    timeout_s: float = 120.0
    memory_bytes: int = 2 * 1024**3
    file_bytes: int = 200 * 1024**2
    unpacked_bytes: int = 400 * 1024**2  # zip containers: sum of member sizes
    text_chars: int = 40_000_000
    ocr_languages: str = "auto"  # for pages without text: `auto`, `off`, or Tesseract's names (eng+deu)
