"""The vocabulary of retrieval: what a searcher finds, and the callables it is given.

This module imports nothing of ours, so everything else may import it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
"""Float32 [N, C], rows of unit length."""

Encode = Callable[[Sequence[str]], Vectors]
"""Texts to unit vectors [B, C]."""

ScorePairs = Callable[[Sequence[tuple[str, str]]], NDArray[np.float32]]
"""(question, passage) pairs to calibrated probabilities of relevance [B] in 0..1."""


class VectorsLost(OSError):
    """Vectors of an index were taken away under it; SQL has them still."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage as SQL knows it: the text and where it stands in its document."""

    chunk_id: int
    document_id: int
    collection_id: int
    text: str
    file_name: str
    start: int  # character offset in the document's text, inclusive
    end: int  # exclusive: document text[start:end] == text
    page_first: int | None  # 1-based; None where the format has no pages
    page_last: int | None
    headings: tuple[str, ...]
    document_version: int


LoadChunks = Callable[[Sequence[int]], Mapping[int, Chunk]]
"""Chunk ids to chunks; ids that are gone or hidden are absent from the mapping."""


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """One chunk as the indexes see it."""

    chunk_id: int
    document_id: int
    collection_id: int
    text: str
    vector: Vectors  # float32 [C], unit length


@dataclass(frozen=True, slots=True)
class IndexChange:
    """One row of the ordered table `index_changes`: a document's chunks appear or disappear."""

    change_id: int
    action: Literal["add", "delete"]
    document_id: int
    entries: tuple[IndexEntry, ...] = ()  # empty for "delete", and for "add" of a document deleted since


@dataclass(frozen=True, slots=True)
class AccessFilter:
    """What this question may see. Applied inside each index before top-k, never after."""

    collection_ids: frozenset[int]
    document_ids: frozenset[int] | None = None  # None: every document of those collections
    hidden_document_ids: frozenset[int] = frozenset()  # deleted in SQL, not yet in the index


@dataclass(frozen=True, slots=True)
class ScoredId:
    """A chunk id with one ranker's score, higher is better."""

    chunk_id: int
    score: float


@dataclass(frozen=True, slots=True)
class Ranks:
    """Where a passage stood in each ranking, from 1; None where that ranking did not hold it."""

    dense: int | None = None
    bm25: int | None = None
    fused: int | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage with every score that led to its rank; None where that stage did not see it."""

    chunk: Chunk
    dense: float | None  # cosine
    bm25: float | None
    fused: float  # reciprocal rank fusion
    rerank: float | None  # calibrated probability of relevance, 0..1
    ranks: Ranks = Ranks()
    carried: bool = False  # a candidate because the last answer cited it, whether or not it was found again


@dataclass(frozen=True, slots=True)
class SearchConfig:
    """The one retrieval configuration used by chat, API, command line, evals and tests."""

    dense_k: int = 50  # candidates from the vector index
    bm25_k: int = 50  # candidates from the lexical index
    rrf_k: int = 60  # constant of reciprocal rank fusion (Cormack et al., SIGIR 2009)
    rerank_k: int = 24  # fused candidates that the cross-encoder reads
    fused_weight: float = 0.0  # of the fused score beside the cross-encoder's log-odds, in the final order
    top_k: int = 4  # passages returned
    evidence_threshold: float = 0.5  # best rerank score below this: refuse
    min_sureness: float = 0.5  # of an answer, 0..1: what is less sure is refused when it is written
    own_thresholds: bool = True  # collections' own thresholds, where they have one, go before this one


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Passages best first, with what the evidence gate needs and what each stage cost."""

    hits: tuple[Hit, ...]
    best_score: float | None  # best rerank score; None when nothing was found
    enough_evidence: bool
    threshold: float = 0.0  # what the best score was compared with
    min_sureness: float = 0.5  # how sure an answer from these passages must be
    timings_ms: dict[str, float] = field(default_factory=dict)  # encode, dense, bm25, fuse, load, rerank


class VectorIndex(Protocol):
    """Nearest neighbours by cosine."""

    def __len__(self) -> int: ...

    def add(self, entries: Sequence[IndexEntry]) -> None: ...

    def delete_documents(self, document_ids: Iterable[int]) -> None: ...

    def search(self, vector: Vectors, k: int, access: AccessFilter) -> list[ScoredId]: ...

    def chunk_ids(self) -> frozenset[int]: ...

    def save(self, folder: Path) -> None: ...


class LexicalIndex(Protocol):
    """BM25 over tokens."""

    def __len__(self) -> int: ...

    def add(self, entries: Sequence[IndexEntry]) -> None: ...

    def delete_documents(self, document_ids: Iterable[int]) -> None: ...

    def search(self, question: str, k: int, access: AccessFilter) -> list[ScoredId]: ...

    def chunk_ids(self) -> frozenset[int]: ...

    def save(self, folder: Path) -> None: ...
