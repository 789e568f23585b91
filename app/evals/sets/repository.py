"""SQL of eval sets, their questions and corpora; every statement is scoped by owner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from app.evals.cases import Case, CaseStatus, CorpusDocument, Origin
from app.evals.tables import EvalCase, EvalCorpusRow, EvalSet
from app.tables import utc_now

ROWS_A_STATEMENT = 1000


def add_set(session: Session, owner_id: int, name: str, collection_id: int | None) -> EvalSet:
    row = EvalSet(owner_id=owner_id, name=name, collection_id=collection_id)
    session.add(row)
    session.flush()
    return row


def get_set(session: Session, owner_id: int, set_id: int) -> EvalSet | None:
    return session.scalar(select(EvalSet).where(EvalSet.owner_id == owner_id, EvalSet.id == set_id))


def get_set_by_name(session: Session, owner_id: int, name: str) -> EvalSet | None:
    return session.scalar(select(EvalSet).where(EvalSet.owner_id == owner_id, EvalSet.name == name))


def list_sets(session: Session, owner_id: int) -> list[EvalSet]:
    statement = select(EvalSet).where(EvalSet.owner_id == owner_id).order_by(EvalSet.id.desc())
    return list(session.scalars(statement))


def delete_set(session: Session, row: EvalSet) -> None:
    """With its questions and corpus; runs keep their results."""
    hold(session, row)
    clear_set(session, row)
    session.delete(row)


def clear_set(session: Session, row: EvalSet) -> None:
    """Removes its questions and corpus."""
    for table in (EvalCase, EvalCorpusRow):
        session.execute(delete(table).where(table.set_id == row.id))


def hold(session: Session, row: EvalSet) -> None:
    """Reads the set again and has everyone who changes its questions wait until the transaction ends.

    Whoever writes sets and questions takes the set first, lest two wait for each other.
    """
    statement = select(EvalSet).where(EvalSet.id == row.id).with_for_update()
    session.execute(statement, execution_options={"populate_existing": True})


def mark_edited(session: Session, set_id: int) -> None:
    """Notes that its questions are no longer those of its file; before they are changed, see `hold`."""
    session.execute(update(EvalSet).where(EvalSet.id == set_id).values(edited=True, updated_at=utc_now()))


def count_cases(session: Session, set_id: int) -> dict[str, int]:
    """Questions by status."""
    statement = (
        select(EvalCase.status, func.count()).where(EvalCase.set_id == set_id).group_by(EvalCase.status)
    )
    return {row[0]: row[1] for row in session.execute(statement)}


def count_corpus(session: Session, set_id: int) -> int:
    return session.scalar(select(func.count()).where(EvalCorpusRow.set_id == set_id)) or 0


def list_tags(session: Session, set_id: int) -> list[str]:
    """Every tag in use, in alphabetical order."""
    lists = session.scalars(select(EvalCase.tags).where(EvalCase.set_id == set_id))
    return sorted({tag for tags in lists for tag in tags})


def add_cases(session: Session, row: EvalSet, cases: Sequence[Case], origin: Origin) -> None:
    values = [
        {"owner_id": row.owner_id, "set_id": row.id, "origin": origin, **columns(case)} for case in cases
    ]
    for start in range(0, len(values), ROWS_A_STATEMENT):
        session.execute(insert(EvalCase), values[start : start + ROWS_A_STATEMENT])
    row.updated_at = utc_now()


def add_corpus(session: Session, row: EvalSet, documents: Sequence[CorpusDocument]) -> None:
    values = [{"owner_id": row.owner_id, "set_id": row.id, **document.model_dump()} for document in documents]
    for start in range(0, len(values), ROWS_A_STATEMENT):
        session.execute(insert(EvalCorpusRow), values[start : start + ROWS_A_STATEMENT])


def columns(case: Case) -> dict[str, Any]:
    """A case as the columns of its row."""
    return {
        "key": case.key,
        "question": case.question,
        "history": list(case.history),
        "answers": list(case.answers),
        "answerable": case.answerable,
        "gold": [gold.model_dump(exclude_none=True) for gold in case.gold],
        "passages": None if case.passages is None else [passage.model_dump() for passage in case.passages],
        "tags": list(case.tags),
        "status": case.status,
        "notes": list(case.notes),
    }


def get_case(session: Session, owner_id: int, case_id: int) -> EvalCase | None:
    return session.scalar(select(EvalCase).where(EvalCase.owner_id == owner_id, EvalCase.id == case_id))


def list_cases(
    session: Session, set_id: int, *, status: CaseStatus | None, limit: int, offset: int
) -> tuple[list[EvalCase], int]:
    """One page in the order of entry, and the number of all matches."""
    statement = select(EvalCase).where(EvalCase.set_id == set_id)
    if status is not None:
        statement = statement.where(EvalCase.status == status)
    total = session.scalar(select(func.count()).select_from(statement.subquery())) or 0
    return list(session.scalars(statement.order_by(EvalCase.id).limit(limit).offset(offset))), total


def ready_cases(session: Session, set_id: int) -> list[Case]:
    """What a run asks, in the order of entry."""
    statement = select(EvalCase).where(EvalCase.set_id == set_id, EvalCase.status == "ready")
    return [Case.model_validate(row) for row in session.scalars(statement.order_by(EvalCase.id))]


def used_keys(session: Session, set_id: int) -> set[str]:
    return set(session.scalars(select(EvalCase.key).where(EvalCase.set_id == set_id)))


def corpus_of(session: Session, set_id: int) -> list[CorpusDocument]:
    """The set's documents, in the order of their entry."""
    statement = (
        select(EvalCorpusRow.key, EvalCorpusRow.title, EvalCorpusRow.text)
        .where(EvalCorpusRow.set_id == set_id)
        .order_by(EvalCorpusRow.id)
    )
    return [CorpusDocument.model_construct(key=k, title=t, text=x) for k, t, x in session.execute(statement)]
