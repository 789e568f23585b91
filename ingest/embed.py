"""Chunks to vectors, in batches of similar length so that little is computed for padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ingest.types import ChunkDraft, Encode, Progress

BATCH_CHUNKS: Final = 32


def embed(chunks: Sequence[ChunkDraft], encode: Encode, progress: Progress) -> NDArray[np.float32]:
    """Unit vectors float32 [len(chunks), C], in the order of `chunks`.

    `progress` is called before each batch and at the end; raising from it stops the work.
    """
    order = sorted(range(len(chunks)), key=lambda index: chunks[index].tokens, reverse=True)
    batches = [order[start : start + BATCH_CHUNKS] for start in range(0, len(order), BATCH_CHUNKS)]
    parts = []
    for done, batch in enumerate(batches):
        progress("embed", done * BATCH_CHUNKS, len(chunks))
        parts.append(encode([chunks[index].text for index in batch]))
    vectors = np.concatenate(parts).astype(np.float32, copy=False)
    in_order = np.empty_like(vectors)
    in_order[order] = vectors
    progress("embed", len(chunks), len(chunks))
    return in_order
