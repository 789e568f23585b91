"""The indexes over the documents of a judged collection, each document being one passage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.evals.cases import CorpusDocument
from app.evals.types import Progress
from retrieval.index_store import IndexStore
from retrieval.types import Chunk, Encode, IndexChange, IndexEntry

COLLECTION_ID = 1
_ENCODE_TEXTS = 512  # texts in one call of the encoder, so that progress shows


def corpus_chunks(corpus: Sequence[CorpusDocument]) -> dict[int, Chunk]:
    """Each document as a passage, numbered from 1."""
    return {number: _chunk(number, document) for number, document in enumerate(corpus, start=1)}


def fill(index: IndexStore, chunks: Mapping[int, Chunk], encode: Encode, progress: Progress) -> None:
    """Both indexes over the passages, batch by batch; those it holds already are not read again."""
    numbers = list(chunks)[index.last_change_id :]
    for start in range(0, len(numbers), _ENCODE_TEXTS):
        batch = [chunks[number] for number in numbers[start : start + _ENCODE_TEXTS]]
        vectors = encode([chunk.text for chunk in batch])
        entries = (
            IndexEntry(chunk.chunk_id, chunk.document_id, COLLECTION_ID, chunk.text, vector)
            for chunk, vector in zip(batch, vectors, strict=True)
        )
        index.apply([IndexChange(e.chunk_id, "add", e.document_id, (e,)) for e in entries])
        progress("documents", start + len(batch), len(numbers))


def _chunk(number: int, document: CorpusDocument) -> Chunk:
    return Chunk(
        chunk_id=number,
        document_id=number,
        collection_id=COLLECTION_ID,
        text=document.passage,
        file_name=document.title or document.key,
        start=0,
        end=len(document.passage),
        page_first=None,
        page_last=None,
        headings=(),
        document_version=1,
    )
