"""Rules of eval sets: names and keys are unique, sizes are bounded, a changed question is whole again."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.accounts.types import Account
from app.collections import service as collections
from app.errors import Conflict, InvalidRequest
from app.evals.cases import Case, CaseStatus, Origin
from app.evals.sets import repository
from app.evals.sets.errors import EvalCaseNotFound, EvalSetNotFound, EvalSetTooLarge
from app.evals.sets.own_jsonl import first_problem
from app.evals.sets.schemas import CaseIn, CaseList, CaseOut, SetChange, SetList, SetOut
from app.evals.sets.types import ReadSet
from app.evals.tables import EvalCase, EvalSet

MAX_CASES = 20_000
MAX_CORPUS = 200_000


def list_all(session: Session, user: Account) -> SetList:
    """Your sets, newest first."""
    return SetList(items=[out(session, row) for row in repository.list_sets(session, user.id)])


def create(session: Session, user: Account, name: str, collection_id: int | None) -> EvalSet:
    """An empty set; raises Conflict when the name is taken, CollectionNotFound."""
    if collection_id is not None:
        collections.require(session, user, collection_id)
    try:
        with session.begin_nested():
            return repository.add_set(session, user.id, name, collection_id)
    except IntegrityError as error:
        raise _taken(name) from error


def create_read(
    session: Session, user: Account, name: str, collection_id: int | None, read: ReadSet
) -> EvalSet:
    """A set of what was read from files; raises EvalSetTooLarge beside what `create` raises."""
    if len(read.corpus) > MAX_CORPUS:
        raise EvalSetTooLarge(f"The corpus has {len(read.corpus)} documents; at most {MAX_CORPUS} are taken.")
    row = create(session, user, name, collection_id)
    add_cases(session, row, read.cases, "file")
    repository.add_corpus(session, row, read.corpus)
    return row


def add_cases(session: Session, row: EvalSet, cases: Sequence[Case], origin: Origin) -> None:
    """Raises EvalSetTooLarge."""
    there = sum(repository.count_cases(session, row.id).values())
    if there + len(cases) > MAX_CASES:
        raise EvalSetTooLarge(f"The set would have {there + len(cases)} questions; at most {MAX_CASES} fit.")
    if origin != "file":
        repository.mark_edited(session, row.id)
    repository.add_cases(session, row, cases, origin)


def change(session: Session, user: Account, set_id: int, body: SetChange) -> EvalSet:
    """Raises EvalSetNotFound, Conflict and CollectionNotFound."""
    row = require(session, user, set_id)
    if "collection_id" in body.model_fields_set:
        if body.collection_id is not None:
            collections.require(session, user, body.collection_id)
        row.collection_id = body.collection_id
    if body.name is not None and body.name != row.name:
        row.name = body.name
        row.file_sha256 = None  # its name was the path of its file
    try:
        with session.begin_nested():
            session.flush()
    except IntegrityError as error:
        raise _taken(body.name or "") from error
    return row


def require(session: Session, user: Account, set_id: int) -> EvalSet:
    """The owner's set; raises EvalSetNotFound, also for another owner's."""
    row = repository.get_set(session, user.id, set_id)
    if row is None:
        raise EvalSetNotFound(f"There is no eval set {set_id}.")
    return row


def require_case(session: Session, user: Account, case_id: int) -> EvalCase:
    """The owner's question; raises EvalCaseNotFound, also for another owner's."""
    row = repository.get_case(session, user.id, case_id)
    if row is None:
        raise EvalCaseNotFound(f"There is no question {case_id}.")
    return row


def cases(
    session: Session, user: Account, set_id: int, status: CaseStatus | None, limit: int, offset: int
) -> CaseList:
    """One page of the questions of a set."""
    row = require(session, user, set_id)
    rows, total = repository.list_cases(session, row.id, status=status, limit=limit, offset=offset)
    return CaseList(items=[CaseOut.model_validate(each) for each in rows], total=total)


def add_case(
    session: Session, user: Account, set_id: int, body: CaseIn, origin: Origin = "written"
) -> CaseOut:
    """A new question; raises Conflict when its key is used, InvalidRequest when it contradicts itself."""
    row = require(session, user, set_id)
    used = repository.used_keys(session, row.id)
    case = _case(body, body.key or free_key(used))
    if case.key in used:
        raise Conflict(f"The set has a question {case.key!r} already.", next_step="Choose another key.")
    add_cases(session, row, [case], origin)
    return CaseOut.model_validate(_by_key(session, row, case.key))


def change_case(session: Session, user: Account, case_id: int, body: CaseIn) -> CaseOut:
    """The question with all values replaced; one that is ready needs no notes any more."""
    row = require_case(session, user, case_id)
    case = _case(body, body.key or row.key)
    used = repository.used_keys(session, row.set_id) - {row.key}
    if case.key in used:
        raise Conflict(f"The set has a question {case.key!r} already.", next_step="Choose another key.")
    repository.mark_edited(session, row.set_id)
    for name, value in repository.columns(case).items():
        if name != "notes" or case.status == "ready":
            setattr(row, name, value)
    session.flush()
    return CaseOut.model_validate(row)


def delete_case(session: Session, user: Account, case_id: int) -> None:
    """Removes the question from its set; raises EvalCaseNotFound."""
    row = require_case(session, user, case_id)
    repository.mark_edited(session, row.set_id)
    session.delete(row)


def free_key(used: set[str]) -> str:
    """The first of q1, q2, ... that is free."""
    number = len(used) + 1
    while f"q{number}" in used:
        number += 1
    return f"q{number}"


def out(session: Session, row: EvalSet) -> SetOut:
    counts = repository.count_cases(session, row.id)
    return SetOut(
        id=row.id,
        name=row.name,
        collection_id=row.collection_id,
        ready=counts.get("ready", 0),
        review=counts.get("review", 0),
        corpus_documents=repository.count_corpus(session, row.id),
        tags=repository.list_tags(session, row.id),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _case(body: CaseIn, key: str) -> Case:
    try:
        return Case.model_validate(body.model_dump(exclude={"key"}) | {"key": key})
    except ValidationError as error:
        raise InvalidRequest(f"The question does not fit together: {first_problem(error)}.") from error


def _by_key(session: Session, row: EvalSet, key: str) -> EvalCase:
    return session.query(EvalCase).filter_by(set_id=row.id, key=key).one()


def _taken(name: str) -> Conflict:
    return Conflict(f"There is already an eval set named {name!r}.", next_step="Choose another name.")
