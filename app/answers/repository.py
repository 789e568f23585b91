"""All SQL of questions, answers and citations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.answers.boxes import evidence_boxes
from app.answers.cited_documents import explain
from app.answers.types import Draft, Footnote, Passage
from app.conversations.repository import get_conversation
from app.errors import Conflict, InvalidRequest, NotFound
from app.jobs.identity import is_gone
from app.tables import CitationRow, Conversation, DocumentPage, Message, utc_now

PENDING_TIMEOUT = timedelta(minutes=10)
INTERRUPTED = {
    "code": "answer_interrupted",
    "stage": "generate",
    "cause": "The server stopped while it was writing this answer.",
    "next_step": "Ask again.",
}


def save_question(
    session: Session,
    owner_id: int,
    question: str,
    conversation_id: int | None,
    replaces_id: int | None = None,
    writer: str | None = None,
) -> Message:
    """A pending message, in a new conversation when none is named, or in place of another message.

    Raises ConversationNotFound or NotFound when it is not the owner's, Conflict when the other message is
    still being written or has been replaced already.
    """
    replaced = _replaceable(session, owner_id, replaces_id, conversation_id) if replaces_id else None
    if replaced is not None:
        conversation_id = replaced.conversation_id
    conversation = _conversation(session, owner_id, question, conversation_id)
    conversation.updated_at = utc_now()
    message = Message(
        owner_id=owner_id,
        conversation_id=conversation.id,
        question=question,
        writer=writer,
        replaces_id=replaces_id,
    )
    session.add(message)
    session.flush()
    if replaced is not None:
        _set_aside(session, replaced, message.id)
    return message


def _replaceable(session: Session, owner_id: int, message_id: int, conversation_id: int | None) -> Message:
    message = get_message(session, owner_id, message_id)
    if conversation_id not in (None, message.conversation_id):
        raise InvalidRequest(
            f"Message {message_id} is in conversation {message.conversation_id}.", field="conversation_id"
        )
    if message.state == "pending":
        raise Conflict(f"Message {message_id} is still being answered.", next_step="Stop it first.")
    if message.replaced_by_id is not None:
        raise Conflict(
            f"Message {message_id} was replaced by message {message.replaced_by_id}.",
            next_step="Read the conversation again.",
        )
    return message


def _set_aside(session: Session, replaced: Message, by_id: int) -> None:
    """The message and all that followed leave the conversation; their rows stay for replay and evals."""
    session.execute(
        update(Message)
        .where(
            Message.conversation_id == replaced.conversation_id,
            Message.id >= replaced.id,
            Message.id < by_id,
            Message.replaced_by_id.is_(None),
        )
        .values(replaced_by_id=by_id)
    )


def _conversation(
    session: Session, owner_id: int, question: str, conversation_id: int | None
) -> Conversation:
    if conversation_id is None:
        conversation = Conversation(owner_id=owner_id, title=question[:200])
        session.add(conversation)
        session.flush()
        return conversation
    return get_conversation(session, owner_id, conversation_id)


def earlier_questions(session: Session, conversation_id: int, before_message_id: int) -> list[str]:
    """What was asked before in this conversation, standalone where it was rewritten, oldest first."""
    statement = (
        select(func.coalesce(Message.standalone_question, Message.question))
        .where(
            Message.conversation_id == conversation_id,
            Message.id < before_message_id,
            Message.replaced_by_id.is_(None),
        )
        .order_by(Message.id)
    )
    return list(session.scalars(statement))


def cited_before(session: Session, conversation_id: int, before_message_id: int) -> list[int]:
    """Chunks that the last turn of this conversation cites, in the order of its footnotes."""
    last = (
        select(func.max(Message.id))
        .where(
            Message.conversation_id == conversation_id,
            Message.id < before_message_id,
            Message.replaced_by_id.is_(None),
        )
        .scalar_subquery()
    )
    statement = select(CitationRow.chunk_id).where(CitationRow.message_id == last).order_by(CitationRow.id)
    return list(dict.fromkeys(session.scalars(statement)))


def store(session: Session, draft: Draft, trace: dict[str, Any], error: dict[str, Any] | None = None) -> None:
    """Completes the message with its citations and trace."""
    message = session.get_one(Message, draft.message_id)
    message.standalone_question = draft.standalone_question
    message.answer = draft.answer
    message.state = draft.state
    message.grounding = draft.grounding
    message.weak_evidence = draft.weak_evidence
    message.coverage = asdict(draft.coverage) if draft.coverage else None
    message.checks = checks_row(draft)
    message.refusal = asdict(draft.refusal) if draft.refusal else None
    message.sources = [passage_row(passage) for passage in draft.sources]
    message.trace = trace
    message.error = error
    message.finished_at = utc_now()
    session.add_all(_citation(session, message, footnote) for footnote in draft.footnotes)


def checks_row(draft: Draft) -> dict[str, Any]:
    """What was checked, as it is stored and sent."""
    return {
        "claims": [
            {
                "start": checked.claim.start,
                "end": checked.claim.end,
                "text": checked.claim.text,
                "verdict": checked.verdict,
                "score": checked.score,
                "citations": list(checked.footnotes),
            }
            for checked in draft.claims
        ],
        "removed_claims": [asdict(removed) for removed in draft.removed_claims],
        "quotes": [asdict(quote) for quote in draft.quotes],
        "conflicts": [asdict(conflict) for conflict in draft.conflicts],
    }


def passage_row(passage: Passage) -> dict[str, Any]:
    """A numbered source as it is stored and sent."""
    chunk = passage.chunk
    return {
        "number": passage.number,
        "chunk_id": chunk.chunk_id,
        "document_id": chunk.document_id,
        "document_version": chunk.document_version,
        "file_name": chunk.file_name,
        "page": chunk.page_first,
        "headings": list(chunk.headings),
        "start": chunk.start,
        "end": chunk.end,
        "text": chunk.text,
        "score": passage.score,
    }


def _citation(session: Session, message: Message, footnote: Footnote) -> CitationRow:
    chunk = footnote.passage.chunk
    return CitationRow(
        owner_id=message.owner_id,
        message_id=message.id,
        number=footnote.passage.number,
        claim_start=footnote.claim.start,
        claim_end=footnote.claim.end,
        chunk_id=chunk.chunk_id,
        document_id=chunk.document_id,
        document_version=chunk.document_version,
        file_name=chunk.file_name,
        page=_page(session, footnote),
        start=footnote.start,
        end=footnote.end,
        text=footnote.text,
        boxes=evidence_boxes(
            session, chunk.document_id, chunk.document_version, footnote.start, footnote.end
        ),
        verdict=footnote.verdict,
        score=footnote.score,
        placed_by=footnote.placed_by,
    )


def _page(session: Session, footnote: Footnote) -> int | None:
    """The page on which the evidence starts; None where the format has no pages."""
    chunk = footnote.passage.chunk
    if chunk.page_first == chunk.page_last:
        return chunk.page_first
    return session.scalar(
        select(DocumentPage.number).where(
            DocumentPage.document_id == chunk.document_id,
            DocumentPage.version == chunk.document_version,
            DocumentPage.start <= footnote.start,
            DocumentPage.end > footnote.start,
        )
    )


def get_message(session: Session, owner_id: int, message_id: int) -> Message:
    """Raises NotFound when the message is not the owner's."""
    message = session.scalar(select(Message).where(Message.id == message_id, Message.owner_id == owner_id))
    if message is None:
        raise NotFound(f"There is no message {message_id}.")
    return message


def list_latest(session: Session, owner_id: int, grounding: str | None, limit: int) -> list[Message]:
    """The owner's messages, latest first, without those that others replaced."""
    statement = select(Message).where(Message.owner_id == owner_id, Message.replaced_by_id.is_(None))
    if grounding is not None:
        statement = statement.where(Message.grounding == grounding)
    return list(session.scalars(statement.order_by(Message.id.desc()).limit(limit)))


def find_message(session: Session, message_id: int) -> Message:
    return session.get_one(Message, message_id)


def is_deleted(session: Session, message_id: int) -> bool:
    """Whether the message is gone; one that is not stays until this transaction ends."""
    return session.get(Message, message_id, with_for_update=True) is None


def pending_ids(session: Session, conversation_id: int) -> list[int]:
    """Messages of a conversation that wait for their answer, replaced ones as well."""
    statement = select(Message.id).where(
        Message.conversation_id == conversation_id, Message.state == "pending"
    )
    return list(session.scalars(statement))


def list_messages(session: Session, conversation_id: int) -> list[Message]:
    """The turns of a conversation, oldest first, without those that others replaced."""
    statement = (
        select(Message)
        .where(Message.conversation_id == conversation_id, Message.replaced_by_id.is_(None))
        .order_by(Message.id)
    )
    return list(session.scalars(statement))


def citations_of(session: Session, message_ids: Sequence[int]) -> dict[int, list[CitationRow]]:
    """Citations by message, in the order in which they stand in the answer, their documents explained."""
    statement = select(CitationRow).where(CitationRow.message_id.in_(message_ids)).order_by(CitationRow.id)
    found: dict[int, list[CitationRow]] = {message_id: [] for message_id in message_ids}
    rows = session.scalars(statement).all()
    explain(session, rows)
    for row in rows:
        found[row.message_id].append(row)
    return found


def is_interrupted(message: Message) -> bool:
    """Whether nobody writes this pending answer any more, as far as it can be known from here."""
    if message.state != "pending":
        return False
    return (message.writer is not None and is_gone(message.writer)) or (
        message.created_at < utc_now() - PENDING_TIMEOUT
    )


def fail_interrupted(session: Session, message_ids: Sequence[int]) -> None:
    """Answers that a stopped server left pending are marked failed, so that nobody waits for them."""
    session.execute(
        update(Message)
        .where(Message.state == "pending", Message.id.in_(message_ids))
        .values(state="failed", error=INTERRUPTED, finished_at=utc_now())
    )
