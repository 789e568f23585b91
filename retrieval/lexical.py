"""BM25 over our own terms in a Tantivy index, with the access filter inside the query."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType

import tantivy
from tantivy import Occur, Query

from retrieval.analysis import analyze
from retrieval.types import AccessFilter, IndexEntry, ScoredId

WRITER_MEMORY_BYTES = 64 * 1024**2
_LOCK_FILES = shutil.ignore_patterns(".tantivy-*.lock")


def _schema() -> tantivy.Schema:
    """Terms carry frequencies for BM25; the three ids are plain indexed integers."""
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("terms", tokenizer_name="whitespace", index_option="freq")
    builder.add_integer_field("chunk_id", fast=True)
    builder.add_integer_field("document_id", indexed=True)
    builder.add_integer_field("collection_id", indexed=True)
    return builder.build()


class TantivyIndex:
    """Lucene's BM25 (k1 1.2, b 0.75) in a folder that belongs to this object alone.

    Searches are thread safe and see the last finished change; one thread writes at a time.
    """

    def __init__(self, folder: Path) -> None:
        """Open the index in `folder` or create it; ValueError or OSError when its files are damaged."""
        self._folder = folder
        self._schema = _schema()
        self._index = tantivy.Index(self._schema, path=str(folder))
        self._index.config_reader(reload_policy="manual")  # we reload after each commit ourselves
        self._writer: tantivy.IndexWriter | None = None
        self._index.reload()

    def __len__(self) -> int:
        """Chunks in the index."""
        return int(self._index.searcher().num_docs)

    def add(self, entries: Sequence[IndexEntry]) -> None:
        """Index entries and make them visible."""
        self.replace((), entries)

    def delete_documents(self, document_ids: Iterable[int]) -> None:
        """Remove every chunk of these documents; unknown ones are ignored."""
        self.replace(document_ids, ())

    def replace(self, document_ids: Iterable[int], entries: Sequence[IndexEntry]) -> None:
        """Delete documents and add entries as one commit: a search sees all of it or none."""
        with _Transaction(self._open_writer()) as writer:
            for document_id in document_ids:
                writer.delete_documents_by_term("document_id", document_id)
            for entry in entries:
                writer.add_document(_document(entry))
        self._index.reload()

    def search(self, question: str, k: int, access: AccessFilter) -> list[ScoredId]:
        """The k best permitted chunks that share a term with the question, best first.

        Statistics (document frequency, mean length) are those of the whole index, as in Lucene: the filter
        decides what is found, not how it is weighed.
        """
        terms = Counter(analyze(question))
        if not terms or not access.collection_ids or k < 1:
            return []
        searcher = self._index.searcher()
        hits = searcher.search(self._query(terms, access), k, count=False).hits
        chunk_ids = _chunk_ids(searcher, hits)
        found = [ScoredId(chunk_id, score) for chunk_id, (score, _) in zip(chunk_ids, hits, strict=True)]
        return sorted(found, key=lambda hit: (-hit.score, hit.chunk_id))

    def chunk_ids(self) -> frozenset[int]:
        """Every chunk in the index."""
        searcher = self._index.searcher()
        if not searcher.num_docs:
            return frozenset()
        return frozenset(
            _chunk_ids(searcher, searcher.search(Query.all_query(), searcher.num_docs, count=False).hits)
        )

    def save(self, folder: Path) -> None:
        """Copy the committed index into an existing folder."""
        self.close()  # background merges replace files: let them finish first
        shutil.copytree(self._folder, folder, ignore=_LOCK_FILES, dirs_exist_ok=True)

    def close(self) -> None:
        """Finish background merges and give the writer's threads back; the index stays usable."""
        if self._writer is not None:
            writer, self._writer = self._writer, None
            writer.wait_merging_threads()

    def _open_writer(self) -> tantivy.IndexWriter:
        if self._writer is None:
            self._writer = self._index.writer(heap_size=WRITER_MEMORY_BYTES, num_threads=1)
        return self._writer

    def _query(self, terms: Counter[str], access: AccessFilter) -> Query:
        """Any term, weighted by how often it was asked for, among the permitted chunks only."""
        wanted = [
            (Occur.Should, Query.boost_query(Query.term_query(self._schema, "terms", term, "freq"), count))
            for term, count in terms.items()
        ]
        clauses = [
            (Occur.Must, Query.boolean_query(wanted)),
            (Occur.Must, self._any_of("collection_id", access.collection_ids)),
        ]
        if access.document_ids is not None:
            clauses.append((Occur.Must, self._any_of("document_id", access.document_ids)))
        if access.hidden_document_ids:
            clauses.append((Occur.MustNot, self._any_of("document_id", access.hidden_document_ids)))
        return Query.boolean_query(clauses)

    def _any_of(self, field: str, ids: Iterable[int]) -> Query:
        """A filter: matches without adding to the score."""
        return Query.const_score_query(Query.term_set_query(self._schema, field, sorted(ids)), 0.0)


class _Transaction:
    """Commits when the block ends, rolls back when it raises."""

    def __init__(self, writer: tantivy.IndexWriter) -> None:
        self._writer = writer

    def __enter__(self) -> tantivy.IndexWriter:
        return self._writer

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._writer.commit()
        else:
            self._writer.rollback()


def _chunk_ids(searcher: tantivy.Searcher, hits: Sequence[tuple[float, tantivy.DocAddress]]) -> list[int]:
    """The chunk id of each hit, read from the column store."""
    values = searcher.fast_field_values("chunk_id", [address for _, address in hits])
    return [int(value) for value in values if value is not None]


def _document(entry: IndexEntry) -> tantivy.Document:
    document = tantivy.Document()
    document.add_text("terms", " ".join(analyze(entry.text)))
    document.add_integer("chunk_id", entry.chunk_id)
    document.add_integer("document_id", entry.document_id)
    document.add_integer("collection_id", entry.collection_id)
    return document
