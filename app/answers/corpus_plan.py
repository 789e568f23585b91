"""How a question about a whole corpus will be answered, before a word is written.

Rows and words are computed here, exactly and at once. Documents are only chosen: they are asked one by one
while the answer is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.accounts.types import Account
from app.answers import corpus_sources as sources
from app.answers.cell_numbers import number
from app.answers.comparisons import comparisons
from app.answers.corpus_kind import Kind, Words, corpus_kind, counts_documents, mentioned, topic
from app.answers.named_comparison import NamedComparison, named_comparison
from app.answers.stored_tables import Row, Table, tables_of
from app.answers.table_question import RowQuestion, row_question
from app.answers.types import Basis, Passage
from app.answers.words import content_words
from app.tables import Document
from retrieval.types import AccessFilter, Chunk, Hit

Find = Callable[[str], Sequence[Hit]]
FindIn = Callable[[str, int], Sequence[Hit]]
"""A topic and a document to the passages of this document, best first."""
MAP_DOCUMENTS = 8  # asked for one answer
PASSAGES_A_DOCUMENT = 2
COMPARED_PASSAGES = 3  # of a document that a comparison names
OPENING_PASSAGES = 4  # of a document that is summarised as a whole
CITED_ROWS = 10
LISTED = 50
_UNCERTAIN = (
    "not every word of the question is a column or a value, or the rows leave something to guess, such as "
    "totals among them, empty cells or mixed units"
)
_ROW_WORDS = re.compile(
    r"\b(?:how many|number of|count|average|mean|sum|total|highest|largest|greatest|biggest|most|lowest"
    r"|smallest|least|fewest|list|which|name all)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Characters of a document's text that a computed line rests on."""

    passage: Passage
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Line:
    """A computed line of an answer."""

    text: str
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """A document that will be asked, with the passages that it will be asked on."""

    document_id: int
    file_name: str
    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class CorpusPlan:
    """Lines that are computed, or documents to ask."""

    kind: Kind
    basis: Basis
    passages: tuple[Passage, ...]  # every passage that can be cited, under its number
    lines: tuple[Line, ...] = ()
    asked: tuple[Asked, ...] = ()
    topic: str | None = None  # of a summary or of a comparison by name; None: everything
    is_by_name: bool = False  # the question names every document that is asked


def plan_corpus(
    session: Session, user: Account, question: str, access: AccessFilter, find: Find, find_in: FindIn
) -> CorpusPlan | None:
    """The plan for a question about rows or about the whole corpus; None for an ordinary question.

    `find` is asked for more passages than an ordinary answer needs, and only where documents are to be asked.
    """
    kind = corpus_kind(question)
    compares = any(True for _ in comparisons(question))
    if kind is None and not compares and not _ROW_WORDS.search(question):
        return None  # most questions: nothing is read for them
    documents = sources.ready_documents(session, access)
    file_names = {each.id: each.file_name for each in documents}
    if named := named_comparison(question, file_names, lambda: sources.titles_of(session, documents)):
        return _over_named(session, user, named, documents, find_in)
    computed = _over_rows(session, user, question, documents)
    if computed is None and kind is not None and (words := mentioned(question)):
        computed = _over_words(session, user, words, kind, documents)
    if computed is None and kind == "count" and counts_documents(question):
        computed = _count_documents(documents)
    if computed is not None or kind in (None, "count"):
        return computed
    return _over_documents(session, user, question, kind, documents, find)


def partial_basis(
    session: Session, question: str, access: AccessFilter, read: Sequence[Passage]
) -> Basis | None:
    """What an ordinary answer rests on, where the question was about the whole corpus or about rows.

    None for other questions.
    """
    kind = corpus_kind(question)
    of_rows = kind is None and _ROW_WORDS.search(question) and any(map(_from_table, read))
    if kind is None and not of_rows:
        return None
    documents = sources.ready_documents(session, access)
    total = sources.count_passages(session, documents)
    rest = ": the others were not read for this answer" if total > len(read) else ""
    why = f" No rows were computed: {_why_no_rows(session, documents)}." if of_rows else ""
    return Basis(kind or "count", "passages", f"Based on {len(read)} of {total} passages{rest}.{why}")


def _why_no_rows(session: Session, documents: Sequence[Document]) -> str:
    """What kept a question about rows from being computed: its words and the rows, or the size of tables."""
    tables, left_out = sources.tables_among(session, documents)
    reasons = [
        *([_UNCERTAIN] if tables or not left_out else []),
        *([f"{left_out} spreadsheets are too many or too large for one question"] if left_out else []),
    ]
    return "; ".join(reasons)


def _from_table(passage: Passage) -> bool:
    return passage.chunk.file_name.casefold().endswith(sources.TABLE_ENDINGS)


def _over_rows(
    session: Session, user: Account, question: str, documents: Sequence[Document]
) -> CorpusPlan | None:
    """Exact figures over the rows of every table that accounts for the whole question."""
    lines: list[Line] = []
    known: dict[int, Passage] = {}
    notes = []
    operation = None
    tables, left_out = sources.tables_among(session, documents)
    for document in tables:
        for table in tables_of(document.id, document.file_name, sources.text_of(session, document)):
            asked = row_question(question, table)
            if asked is None:
                continue
            operation = asked.operation
            rows = asked.matching(table)
            shown = _shown(rows, asked)
            places = [row.start for row in shown[:LISTED]]
            chunks = sources.passages_at(session, user, document.id, places)
            lines += _row_lines(table, asked, rows, shown, chunks, known)
            conditions = "; ".join(each.words for each in asked.filters) or "no condition"
            notes.append(f"{len(table.rows)} rows of {table.name} ({conditions})")
    if operation is None:
        return None
    kind: Kind = "list" if operation == "list" else "count"
    rest = f" {left_out} further spreadsheets were not read." if left_out else ""
    note = f"Computed over {', '.join(notes)}: exact, no text was generated.{rest}"
    return CorpusPlan(kind, Basis(kind, "rows", note), tuple(known.values()), tuple(lines))


def _shown(rows: Sequence[Row], asked: RowQuestion) -> list[Row]:
    """Rows to cite: all that match, or the one that is highest or lowest."""
    if asked.operation not in ("highest", "lowest") or asked.column is None:
        return list(rows)
    column = asked.column
    figures = [(value, row) for row in rows if (value := number(row.cells.get(column, ""))) is not None]
    best = (max if asked.operation == "highest" else min)((value for value, _ in figures), default=None)
    return [row for value, row in figures if value == best]


def _row_lines(
    table: Table,
    asked: RowQuestion,
    rows: Sequence[Row],
    shown: Sequence[Row],
    chunks: dict[int, Chunk],
    known: dict[int, Passage],
) -> list[Line]:
    def evidence(some: Iterable[Row]) -> tuple[Evidence, ...]:
        return tuple(
            _evidence(chunks[row.start], row.start, row.end, known) for row in some if row.start in chunks
        )

    name, first = table.name, table.columns[0]
    if asked.operation in ("list", "value", "highest", "lowest"):
        listed = [Line(_row_text(row, first, asked), evidence([row])) for row in shown[:LISTED]]
        rest = len(shown) - LISTED
        return [*listed, *([Line(f"and {rest} more rows of {name}", ())] if rest > 0 else [])]
    if asked.operation == "count":
        return [Line(f"{len(rows)} of {len(table.rows)} rows of {name}", evidence(rows[:CITED_ROWS]))]
    values = [value for row in rows if (value := number(row.cells.get(asked.column or "", ""))) is not None]
    if not values:
        return [Line(f"No row of {name} has a figure for it", ())]
    result = sum(values) / len(values) if asked.operation == "average" else sum(values)
    text = (
        f"{asked.operation.capitalize()} of {asked.column}: {result:,.10g} over {len(values)} rows of {name}"
    )
    return [Line(text, evidence(rows[:CITED_ROWS]))]


def _row_text(row: Row, first: str, asked: RowQuestion) -> str:
    subject = row.cells.get(first, "")
    if asked.column is None or asked.column == first:
        return subject
    return f"{subject}: {asked.column} {row.cells.get(asked.column, '')}"


def _count_documents(documents: Sequence[Document]) -> CorpusPlan:
    """How many documents are ready in the scope."""
    line = Line(f"{len(documents)} documents are ready", ())
    note = "Counted in the list of documents: exact; files that are still being read or failed are not in it."
    return CorpusPlan("count", Basis("count", "documents", note), (), (line,))


def _over_words(
    session: Session, user: Account, words: Words, kind: Kind, documents: Sequence[Document]
) -> CorpusPlan | None:
    """Which documents hold these words, one behind another; case aside, and by rule plural and singular."""
    if len(documents) > sources.MOST_WORD_DOCUMENTS:
        return None
    known: dict[int, Passage] = {}
    lines = []
    for document in documents:
        found = words.pattern.search(sources.text_of(session, document))
        if found is None:
            continue
        at = found.start()
        chunks = sources.passages_at(session, user, document.id, [at])
        evidence = tuple(_evidence(chunk, at, found.end(), known) for chunk in chunks.values())
        lines.append(Line(document.file_name, evidence))
    head = Line(f"{len(lines)} of {len(documents)} documents contain “{words.plain}”", ())
    looked_for = " or ".join(f"“{form}”" for form in words.forms)
    note = f"Looked for {looked_for} in the text of all {len(documents)} documents: exact."
    return CorpusPlan(kind, Basis(kind, "words", note), tuple(known.values()), (head, *lines[:LISTED]))


def _over_documents(
    session: Session, user: Account, question: str, kind: Kind, documents: Sequence[Document], find: Find
) -> CorpusPlan | None:
    """The documents to ask; None when there are not two to compare or list from."""
    about = topic(question) if kind == "summarise" else None
    scores: dict[int, float | None] = {}
    named = _named(documents, about) if about else []
    if kind == "summarise" and (named or about is None):
        about = None
        chosen = [
            (each, sources.first_passages(session, user, each.id, OPENING_PASSAGES))
            for each in (named or documents)[:MAP_DOCUMENTS]
        ]
    else:
        hits = find(question)
        scores = {hit.chunk.chunk_id: hit.rerank for hit in hits}
        chosen = _ranked(documents, hits)
    if len(chosen) < (1 if kind == "summarise" else 2):
        return None
    known: dict[int, Passage] = {}
    asked = tuple(
        Asked(
            document.id,
            document.file_name,
            tuple(_numbered(chunk, known, scores.get(chunk.chunk_id)) for chunk in chunks),
        )
        for document, chunks in chosen
    )
    total = sources.count_passages(session, documents)
    note = (
        f"Based on {len(known)} of {total} passages, from {len(asked)} of {len(documents)} documents, "
        "each asked by itself."
    )
    return CorpusPlan(kind, Basis(kind, "documents", note), tuple(known.values()), (), asked, about)


def _over_named(
    session: Session, user: Account, named: NamedComparison, documents: Sequence[Document], find_in: FindIn
) -> CorpusPlan:
    """The documents that a comparison names, each with what it says nearest to the topic."""
    by_id = {document.id: document for document in documents}
    known: dict[int, Passage] = {}
    asked = []
    for document_id in named.document_ids[:MAP_DOCUMENTS]:
        if named.topic is None:
            chunks = sources.first_passages(session, user, document_id, OPENING_PASSAGES)
            passages = [_numbered(chunk, known) for chunk in chunks]
        else:
            hits = find_in(named.topic, document_id)[:COMPARED_PASSAGES]
            passages = [_numbered(hit.chunk, known, hit.rerank) for hit in hits]
        asked.append(Asked(document_id, by_id[document_id].file_name, tuple(passages)))
    total = sources.count_passages(session, [by_id[each.document_id] for each in asked])
    note = (
        f"Based on {len(known)} of {total} passages of the {len(asked)} documents that the question names; "
        "their sentences are quoted word for word."
    )
    basis = Basis("compare", "documents", note)
    return CorpusPlan("compare", basis, tuple(known.values()), (), tuple(asked), named.topic, True)


def _named(documents: Sequence[Document], about: str) -> list[Document]:
    """Documents whose file names hold every word of the topic."""
    words = set(content_words(about))
    return [
        document
        for document in documents
        if words and words <= set(content_words(re.sub(r"[_\-.]", " ", document.file_name)))
    ]


def _ranked(documents: Sequence[Document], hits: Sequence[Hit]) -> list[tuple[Document, list[Chunk]]]:
    """Documents in the order of their best passage, each with its best few."""
    by_id = {document.id: document for document in documents}
    chunks: dict[int, list[Chunk]] = {}
    for hit in hits:
        chunks.setdefault(hit.chunk.document_id, []).append(hit.chunk)
    ranked = [(by_id[each], found[:PASSAGES_A_DOCUMENT]) for each, found in chunks.items() if each in by_id]
    return ranked[:MAP_DOCUMENTS]


def _evidence(chunk: Chunk, start: int, end: int, known: dict[int, Passage]) -> Evidence:
    """The part of text[start:end] that is in the passage: a long row goes on in the next."""
    return Evidence(_numbered(chunk, known), start, min(end, chunk.end))


def _numbered(chunk: Chunk, known: dict[int, Passage], score: float | None = None) -> Passage:
    """The passage of a chunk, under the number that it got first."""
    if chunk.chunk_id not in known:
        known[chunk.chunk_id] = Passage(len(known) + 1, chunk, score)
    return known[chunk.chunk_id]
