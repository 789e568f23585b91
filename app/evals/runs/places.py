"""Where a question is asked: the user's documents, the set's corpus, or passages of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from sqlalchemy import ColumnElement, Select, select

from app.accounts.types import Account
from app.answers.evaluation import own_chunks, ranked
from app.answers.search import find, scope
from app.documents.index_sync import load_chunks
from app.evals.cases import Case, CorpusDocument, Gold
from app.evals.corpus_folders import corpus_folder, remove_corpus_folders
from app.evals.corpus_index import COLLECTION_ID, corpus_chunks, fill
from app.evals.gold import Candidate, holds, missing
from app.evals.tables import EvalSet
from app.evals.types import EvalPassage, Progress
from app.services import Services
from app.tables import ChunkRow, Document, DocumentVersion
from retrieval.index_store import IndexStore
from retrieval.metrics import RANKING_DEPTH
from retrieval.searcher import Searcher
from retrieval.types import AccessFilter, Chunk, SearchConfig, SearchResult


class Place(Protocol):
    """A body of passages that can be searched."""

    def search(self, question: str, depth: int = RANKING_DEPTH) -> SearchResult:
        """As the product searches, at least `depth` passages deep."""
        ...

    def candidate(self, chunk: Chunk) -> Candidate:
        """A passage of this place, as golds name it."""
        ...

    def missing(self, golds: Sequence[Gold]) -> list[Gold]:
        """Golds that name nothing here."""
        ...

    def gold_chunk(self, golds: Sequence[Gold]) -> Chunk | None:
        """The first passage that holds the first gold that one holds."""
        ...


@dataclass(frozen=True, slots=True)
class DocumentsPlace:
    """What the user may see, or one collection of it."""

    services: Services
    user: Account
    collection_id: int | None
    config: SearchConfig

    def search(self, question: str, depth: int = RANKING_DEPTH) -> SearchResult:
        config = replace(self.config, top_k=max(self.config.top_k, depth))
        with self.services.sessions() as session:
            access = scope(self.services, session, self.user, self._collection_ids(), None)
            return find(self.services, session, self.user, question, access, config)

    def candidate(self, chunk: Chunk) -> Candidate:
        return Candidate(chunk, None)

    def missing(self, golds: Sequence[Gold]) -> list[Gold]:
        statement = select(Document.id, DocumentVersion.file_name).where(*self._answering())
        with self.services.sessions() as session:
            rows = session.execute(statement).all()
        return missing(golds, frozenset(), frozenset(r[1] for r in rows), frozenset(r[0] for r in rows))

    def gold_chunk(self, golds: Sequence[Gold]) -> Chunk | None:
        with self.services.sessions() as session:
            load = load_chunks(session, self.user)
            for gold in golds:
                ids: list[int] = list(session.scalars(self._chunks_of(gold)))
                chunks = load(ids)
                held = (chunks[i] for i in ids if i in chunks and holds(gold, Candidate(chunks[i], None)))
                if chunk := next(held, None):
                    return chunk
        return None

    def _chunks_of(self, gold: Gold) -> Select[int]:
        named = (
            Document.id == gold.document_id
            if gold.document_id is not None
            else DocumentVersion.file_name == gold.file
        )
        return (
            select(ChunkRow.id)
            .where(ChunkRow.document_id == Document.id, *self._answering(), named)
            .order_by(ChunkRow.id)
        )

    def _answering(self) -> list[ColumnElement[bool]]:
        """Documents that can be found here, as the version that answers: a newer one may still be read."""
        conditions = [
            Document.owner_id == self.user.id,
            Document.deleted_at.is_(None),
            DocumentVersion.document_id == Document.id,
            DocumentVersion.number == Document.ready_version,
        ]
        if self.collection_id is not None:
            conditions.append(Document.collection_id == self.collection_id)
        return conditions

    def _collection_ids(self) -> list[int] | None:
        return None if self.collection_id is None else [self.collection_id]


class CorpusPlace:
    """The documents that a set brings along, indexed anew when they or the encoder change."""

    def __init__(
        self,
        services: Services,
        set_id: int,
        corpus: Sequence[CorpusDocument],
        config: SearchConfig,
        tell: Progress,
    ) -> None:
        self._services, self._config, self._set_id = services, config, set_id
        self._chunks: Mapping[int, Chunk] = corpus_chunks(corpus)
        self._keys = {number: document.key for number, document in enumerate(corpus, start=1)}
        self._numbers = {key: number for number, key in self._keys.items()}
        models = services.models.ingest
        folder = corpus_folder(services.settings, set_id, corpus)
        remove_corpus_folders(services.settings, set_id, keep=folder)
        self._index = IndexStore.open(folder, encoder_id=models.encoder_id, dimension=models.dimension)
        if self._index.last_change_id < len(self._chunks):
            fill(self._index, self._chunks, models.encode, tell)
            self._index.save()

    def search(self, question: str, depth: int = RANKING_DEPTH) -> SearchResult:
        models = self._services.models
        config = replace(self._config, top_k=max(self._config.top_k, depth))
        searcher = Searcher(self._index, models.ingest.encode, models.score_pairs, self._load)
        return searcher.search(question, AccessFilter(frozenset({COLLECTION_ID})), config)

    def candidate(self, chunk: Chunk) -> Candidate:
        return Candidate(chunk, self._keys[chunk.chunk_id])

    def missing(self, golds: Sequence[Gold]) -> list[Gold]:
        return missing(golds, self._numbers, frozenset(), frozenset())

    def gold_chunk(self, golds: Sequence[Gold]) -> Chunk | None:
        numbers = (self._numbers.get(gold.id or "") for gold in golds)
        return next((self._chunks[number] for number in numbers if number is not None), None)

    def close(self) -> None:
        """The index stays for the next run, unless the set was deleted while it was searched."""
        self._index.close()
        with self._services.sessions() as session:
            deleted = session.get(EvalSet, self._set_id) is None
        if deleted:
            remove_corpus_folders(self._services.settings, self._set_id)

    def _load(self, numbers: Sequence[int]) -> Mapping[int, Chunk]:
        return {number: self._chunks[number] for number in numbers}


class OwnPlace:
    """The passages of one question, all of them ranked."""

    def __init__(self, services: Services, case: Case, config: SearchConfig) -> None:
        passages = [EvalPassage(each.id, each.title, each.text) for each in case.passages or ()]
        self._services, self._config = services, config
        self._ids = [passage.id for passage in passages]
        self._chunks = own_chunks(passages)

    def search(self, question: str, depth: int = RANKING_DEPTH) -> SearchResult:  # noqa: ARG002
        if not self._chunks:
            return SearchResult((), None, enough_evidence=False, threshold=self._config.evidence_threshold)
        return ranked(self._services, question, self._chunks, self._config)

    def candidate(self, chunk: Chunk) -> Candidate:
        return Candidate(chunk, self._ids[chunk.chunk_id])

    def missing(self, golds: Sequence[Gold]) -> list[Gold]:
        return missing(golds, frozenset(self._ids), frozenset(), frozenset())

    def gold_chunk(self, golds: Sequence[Gold]) -> Chunk | None:
        ids = [gold.id for gold in golds if gold.id in self._ids]
        return self._chunks[self._ids.index(ids[0])] if ids else None
