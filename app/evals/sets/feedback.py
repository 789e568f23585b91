"""An answer that was not right becomes a question of an eval set."""

from __future__ import annotations

from sqlalchemy.orm import Session

from app.accounts.types import Account
from app.answers.repository import citations_of, earlier_questions, get_message
from app.evals.cases import MAX_HISTORY, Case, Gold
from app.evals.sets import repository, service
from app.evals.sets.schemas import CaseOut, FromMessage
from app.evals.tables import EvalCase, EvalSet
from app.tables import Message

FEEDBACK_SET = "From feedback"
SUGGESTED = "Where the answer stands is a suggestion: these passages were shown."
NO_CORRECTION = "Nobody has said yet what the right answer is."


def add_message(session: Session, user: Account, body: FromMessage) -> CaseOut:
    """The message's question, its sources as suggested gold, and the correction as the expected answer.

    It is ready to be asked once it is known what is right: a correction, or that the documents don't say.
    The same message again replaces what was said before; without anything new it takes nothing back. Raises
    NotFound and EvalSetNotFound.
    """
    message = get_message(session, user.id, body.message_id)
    row = _set(session, user, body.set_id)
    case = _case(session, message, body)
    there = session.query(EvalCase).filter_by(set_id=row.id, key=case.key).one_or_none()
    if there is not None and there.status == "ready" and case.status == "review":
        return CaseOut.model_validate(there)
    if there is None:
        service.add_cases(session, row, [case], "feedback")
        there = session.query(EvalCase).filter_by(set_id=row.id, key=case.key).one()
    else:
        repository.mark_edited(session, row.id)
    for name, value in repository.columns(case).items():
        setattr(there, name, value)
    there.message_id = message.id
    session.flush()
    return CaseOut.model_validate(there)


def _set(session: Session, user: Account, set_id: int | None) -> EvalSet:
    if set_id is not None:
        return service.require(session, user, set_id)
    found = repository.get_set_by_name(session, user.id, FEEDBACK_SET)
    return found or repository.add_set(session, user.id, FEEDBACK_SET, None)


def _case(session: Session, message: Message, body: FromMessage) -> Case:
    correction = (body.correction or "").strip()
    answerable = body.answerable if body.answerable is not None else (True if correction else None)
    known = answerable is False or bool(correction)
    gold = () if answerable is False else _suggested(session, message)
    notes = [*([] if known else [NO_CORRECTION]), *([SUGGESTED] if gold else [])]
    earlier = earlier_questions(session, message.conversation_id, message.id)
    return Case(
        key=f"message-{message.id}",
        question=message.question,
        history=tuple(earlier[-MAX_HISTORY:]),
        answers=(correction,) if correction and answerable is not False else (),
        answerable=answerable,
        gold=gold,
        tags=("feedback",),
        status="ready" if known else "review",
        notes=(*notes, *([body.comment.strip()] if body.comment and body.comment.strip() else [])),
    )


def _suggested(session: Session, message: Message) -> tuple[Gold, ...]:
    """The cited spans; where nothing was cited, every passage that was found."""
    cited = citations_of(session, [message.id])[message.id]
    places = [(row.document_id, row.file_name, row.page, row.text) for row in cited] or [
        (source["document_id"], source["file_name"], source["page"], source["text"])
        for source in message.sources or []
    ]
    unique = dict.fromkeys(places)
    return tuple(Gold(document_id=d, file=f, page=p, quote=quote) for d, f, p, quote in unique)
