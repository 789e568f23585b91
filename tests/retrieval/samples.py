"""Random collections with a known answer, and the plain filter that every index is compared with."""

from __future__ import annotations

import random

import numpy as np

from retrieval.types import AccessFilter, IndexChange, IndexEntry, Vectors

DIMENSION = 16
WORDS = [f"word{n}" for n in range(60)]
FIRST_ID = 1 << 40  # ids are int64: nothing may squeeze them into 32 bits


def unit_vectors(count: int, seed: int, dimension: int = DIMENSION) -> Vectors:
    vectors = np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def random_entries(count: int, seed: int = 0, *, max_words: int = 12) -> list[IndexEntry]:
    """Chunks in documents of one to six chunks, spread over five collections."""
    rng = random.Random(seed)
    vectors = unit_vectors(count, seed)
    entries: list[IndexEntry] = []
    document_id = FIRST_ID
    while len(entries) < count:
        document_id += 1
        collection_id = rng.randrange(5)
        for _ in range(min(rng.randint(1, 6), count - len(entries))):
            text = " ".join(rng.choices(WORDS, k=rng.randint(1, max_words)))
            position = len(entries)
            entries.append(
                IndexEntry(FIRST_ID + position, document_id, collection_id, text, vectors[position])
            )
    return entries


def random_access(entries: list[IndexEntry], rng: random.Random) -> AccessFilter:
    documents = sorted({entry.document_id for entry in entries})
    chosen = rng.sample(documents, rng.randint(0, len(documents)))
    return AccessFilter(
        collection_ids=frozenset(rng.sample(range(6), rng.randint(0, 6))),
        document_ids=frozenset(chosen) if rng.random() < 0.5 else None,
        hidden_document_ids=frozenset(rng.sample(documents, rng.randint(0, 5))),
    )


def permitted(entry: IndexEntry, access: AccessFilter) -> bool:
    return (
        entry.collection_id in access.collection_ids
        and (access.document_ids is None or entry.document_id in access.document_ids)
        and entry.document_id not in access.hidden_document_ids
    )


def everything(entries: list[IndexEntry]) -> AccessFilter:
    return AccessFilter(frozenset(entry.collection_id for entry in entries))


def additions(entries: list[IndexEntry], first_change_id: int = 1) -> list[IndexChange]:
    """One `add` change a document, in order."""
    documents = dict.fromkeys(entry.document_id for entry in entries)
    return [
        IndexChange(change_id, "add", document_id, tuple(e for e in entries if e.document_id == document_id))
        for change_id, document_id in enumerate(documents, start=first_change_id)
    ]
