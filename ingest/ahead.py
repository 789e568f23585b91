"""Cuts and embeds pages while later ones are still being read, so that both cores have work.

What it computes is only a memory: texts and their vectors. The finished document is cut anew, finds almost
all of its passages in that memory, and never depends on it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ingest.chunk import chunk
from ingest.embed import embed
from ingest.memory import SpanMemory, VectorMemory
from ingest.types import ChunkDraft, ParsedDocument, Progress


class WorkAhead:
    """`take` early pages as they come, then `vectors` of the finished document's chunks."""

    def __init__(
        self, vectors: VectorMemory, token_spans: SpanMemory, max_chunk_tokens: int, progress: Progress
    ) -> None:
        self._vectors = vectors
        self._token_spans = token_spans
        self._max_chunk_tokens = max_chunk_tokens
        self._progress = progress
        self._pages = 0
        self._chunks = 0

    def take(self, batch: ParsedDocument, total_pages: int) -> None:
        """Cuts and embeds a batch of pages; the total of passages is an estimate until all are read."""
        chunks = chunk(batch, self._token_spans, self._max_chunk_tokens)
        before, pages = self._chunks, self._pages + len(batch.pages)
        estimate = max(1, round((before + len(chunks)) * max(total_pages, pages) / pages))
        self._progress("chunk", before + len(chunks), estimate)
        self._embed(chunks, before, estimate)
        self._pages, self._chunks = pages, before + len(chunks)

    def vectors(self, chunks: Sequence[ChunkDraft]) -> NDArray[np.float32]:
        """Unit vectors float32 [len(chunks), C] in the order of `chunks`."""
        self._embed(chunks, 0, len(chunks))
        return self._vectors.rows([each.text for each in chunks])

    def _embed(self, chunks: Sequence[ChunkDraft], before: int, total: int) -> None:
        """Computes what is not known yet; `before` passages of `total` are done already."""
        unknown = [each for each in chunks if each.text not in self._vectors]
        known = before + len(chunks) - len(unknown)
        self._progress("embed", min(known, total), total)
        if unknown:
            embed(
                unknown,
                self._vectors.encode,
                lambda stage, done, _: self._progress(stage, min(known + done, total), total),
            )
