"""The run of kind `generate`: passage by passage a question is written into the set, to be reviewed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from app.documents.index_sync import load_chunks
from app.evals.cases import Case
from app.evals.generation.filtering import REASONS, repeats
from app.evals.generation.passages import key_of
from app.evals.generation.writing import NothingWritten, Written, write_question
from app.evals.metrics import Interval, mean_interval
from app.evals.runs.asking import Context
from app.evals.runs.types import StoredResult, Unit, UnitResult, unscorable
from app.evals.sets import repository, service
from app.evals.tables import EvalCase

TAG = "generated"


def units_of(config: dict[str, Any]) -> list[Case]:
    """A stand-in for each passage that the run was started with; its question is not written yet."""
    return [Case(key=key_of(chunk_id), question=f"Passage {chunk_id}") for chunk_id in config["chunk_ids"]]


def generate(context: Context, unit: Unit) -> UnitResult:
    """Writes one question into the set, or says why this passage gave none."""
    chunk_id = int(unit.case.key.rpartition("-")[2])
    with context.services.sessions() as session:
        chunk = load_chunks(session, context.documents.user)([chunk_id]).get(chunk_id)
    if chunk is None:
        return unscorable("The passage is gone.")
    try:
        written = write_question(context.services, context.documents, chunk, _asked(context))
    except NothingWritten as error:
        return UnitResult(
            "scored", {"kept": 0.0}, {"reason": str(error), "dropped": error.drop, "file": chunk.file_name}
        )
    kept = _keep(context, unit.case.key, written)
    detail = {"question": written.question, "answer": written.answer, "file": chunk.file_name}
    if not kept:
        detail |= {"reason": REASONS["duplicate"], "dropped": "duplicate"}
    return UnitResult("scored", {"kept": float(kept)}, detail)


def _asked(context: Context) -> list[str]:
    """Questions that the set has."""
    with context.services.sessions() as session:
        return list(session.scalars(select(EvalCase.question).where(EvalCase.set_id == context.set_id)))


def _keep(context: Context, key: str, written: Written) -> bool:
    """False when the set has the question, or nearly so; raises EvalSetNotFound, EvalSetTooLarge."""
    case = Case(
        key=key,
        question=written.question,
        answers=(written.answer,),
        answerable=True,
        gold=(written.gold,),
        tags=(TAG,),
        status="review",
        notes=written.notes,
    )
    with context.services.sessions.begin() as session:
        row = service.require(session, context.documents.user, context.set_id)
        asked = session.scalars(select(EvalCase.question).where(EvalCase.set_id == row.id))
        if repeats(case.question, asked) or case.key in repository.used_keys(session, row.id):
            return False
        service.add_cases(session, row, [case], "generated")
    return True


def summarise_generated(results: Sequence[StoredResult]) -> dict[str, Interval]:
    """The share of passages that gave a question, and of those that gave none the share of each reason."""
    rows = [row for row in sorted(results, key=lambda row: row.key) if "kept" in row.scores]
    shares = {"kept": mean_interval([row.scores["kept"] for row in rows])}
    for drop in REASONS:
        dropped = [float(row.detail.get("dropped") == drop) for row in rows]
        if any(dropped):
            shares[f"dropped_{drop}"] = mean_interval(dropped)
    return shares
