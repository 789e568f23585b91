"""`footnote ask`: one question over a file or folder, without a server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from app.accounts.service import local_account
from app.answers import repository
from app.answers.replay import replay
from app.answers.runner import run
from app.answers.search import check_length
from app.answers.types import Command
from app.configurations.resolving import resolve
from app.documents.folder import sync_folder
from app.errors import AppError
from app.services import Services

REASONS = {
    "no_documents": "There are no documents to answer from.",
    "no_passages": "No passage was found for this question.",
    "weak_evidence": "No passage is evidence enough.",
    "no_answer_found": "The passages that were found hold no answer.",
    "no_supported_claim": "An answer was written, but no passage supports any of it.",
}


class AskFailed(AppError):
    code = "ask_failed"
    stage = "generate"


@dataclass(frozen=True, slots=True)
class LocalAnswer:
    """An answer for the terminal and for scripts."""

    text: str
    json: dict[str, Any]


def ask_once(
    services: Services, question: str, docs: Path | None, tell: Callable[[str], None]
) -> LocalAnswer:
    """Brings the documents up to date, asks, and renders the answer with its citations.

    Raises AskFailed when the answer could not be written.
    """
    check_length(services, question)
    collection_ids = None if docs is None else [sync_folder(services, docs, tell)]
    with services.sessions.begin() as session:
        owner = local_account(session)
        message = repository.save_question(session, owner.id, question, None)
        command = Command(
            message.id,
            message.conversation_id,
            question,
            collection_ids,
            None,
            resolve(session, owner, services.settings),
        )
    known = services.index.last_change_id
    name, data = list(run(services, command).follow())[-1]
    if services.index.last_change_id != known:
        services.index.save()  # the next call starts from here
    if name == "error":
        raise AskFailed(data["cause"], next_step=data["next_step"])
    return LocalAnswer(_text(data), _json(data))


def replayed(services: Services, message_id: int) -> LocalAnswer:
    """What came of writing a stored answer again; raises what `replay` raises."""
    with services.sessions() as session:
        owner = local_account(session)
    result = replay(services, owner, message_id)
    lines = [f"{change.what} changed: {change.then} -> {change.now}" for change in result.changes]
    if result.difference is None:
        lines.append(f"Identical: {result.tokens} tokens in {result.generations} runs of the decoder.")
    else:
        at = result.difference
        lines.append(f"Different from token {at.token + 1} of run {at.generation + 1} on:")
        lines += [f"  then {at.then!r}", f"  now  {at.now!r}"]
    return LocalAnswer("\n".join(lines), asdict(result))


def _json(data: dict[str, Any]) -> dict[str, Any]:
    citations = [
        {"file": c["file_name"], "page": c["page"], "start": c["start"], "end": c["end"], "text": c["text"]}
        for c in data["citations"]
    ]
    return {
        "answer": data["answer"],
        "state": data["state"],
        "citations": citations,
        "timings_ms": data["timings_ms"],
        "tokens": data["tokens"],
    }


def _text(data: dict[str, Any]) -> str:
    if data["state"] == "refused":
        return _refusal_text(data["refusal"])
    lines = [data["answer"], ""]
    for citation in data["citations"]:
        page = f", page {citation['page']}" if citation["page"] else ""
        quote = " ".join(citation["text"].split())
        lines.append(
            f"[{citation['number']}] {citation['file_name']}{page}: “{quote}” ({citation['verdict']})"
        )
    return "\n".join(lines).rstrip()


def _refusal_text(refusal: dict[str, Any]) -> str:
    best = "none" if refusal["best_score"] is None else f"{refusal['best_score']:.2f}"
    searched = f"{refusal['documents_ready']} documents searched"
    failed = f", {refusal['documents_failed']} failed to ingest" if refusal["documents_failed"] else ""
    return (
        f"Your documents don't say. {REASONS[refusal['reason']]}\n"
        f"Best evidence {best}, needed {refusal['threshold']:.2f}; {searched}{failed}."
    )
