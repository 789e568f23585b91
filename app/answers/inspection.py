"""A stored trace as a person reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from app.accounts.types import Account
from app.answers import repository
from app.answers.generation import Generation
from app.answers.inspection_schemas import CandidateOut, PromptPartOut, RunOut, StageOut, TraceOut
from app.answers.schemas import Scores
from app.documents.index_sync import load_chunks
from app.services import Models, TextGenerator

SEARCH_STAGES = ("encode", "dense", "bm25", "fuse", "load", "rerank")


def trace_out(session: Session, user: Account, message_id: int, models: Models) -> TraceOut:
    """The trace of an answer; raises NotFound. An answer of an older version shows what it kept."""
    message = repository.get_message(session, user.id, message_id)
    trace: Mapping[str, Any] = message.trace or {}
    runs = [Generation.from_json(row) for row in trace.get("generations", ())]
    generator = models.written_by(trace.get("models", {}).get("generator"))
    cited = {row.chunk_id for row in repository.citations_of(session, [message_id])[message_id]}
    return TraceOut(
        message_id=message.id,
        conversation_id=message.conversation_id,
        question=message.question,
        standalone_question=message.standalone_question,
        answer=message.answer,
        state=message.state,
        created_at=message.created_at,
        stages=stages(trace),
        runs=[_run(run, generator) for run in runs],
        candidates=_candidates(session, user, trace, runs, cited),
        caches=trace.get("caches", {}),
        models=trace.get("models", {}),
        arithmetic=trace.get("arithmetic", {}),
        template=trace.get("template"),
        withheld=trace.get("withheld", []),
        config=trace.get("config", {}),
        replayable=any(run.token_ids for run in runs),
    )


def stages(trace: Mapping[str, Any]) -> list[StageOut]:
    """Whole steps in the order of their start, each followed by its parts, which follow one another."""
    lasted: Mapping[str, float] = trace.get("timings_ms", {})
    begun: Mapping[str, float] = trace.get("starts_ms", {})
    whole = sorted((name for name in lasted if name in begun), key=lambda name: begun[name])
    found: list[StageOut] = []
    for name in whole:
        found.append(StageOut(name=name, start_ms=begun[name], ms=lasted[name]))
        found += _parts(name, begun[name], lasted)
    listed = {stage.name for stage in found}
    return found + [StageOut(name=n, start_ms=None, ms=lasted[n]) for n in lasted if n not in listed]


def _parts(name: str, start_ms: float, lasted: Mapping[str, float]) -> list[StageOut]:
    """The stages of a search one behind another; the wait for the first token within the writing."""
    if name == "generate" and "first_token" in lasted:
        first = lasted["first_token"]
        return [StageOut(name="first_token", start_ms=start_ms, ms=first, part_of=name)]
    parts: list[StageOut] = []
    for part in SEARCH_STAGES if name == "search" else ():
        if part in lasted:
            parts.append(StageOut(name=part, start_ms=start_ms, ms=lasted[part], part_of=name))
            start_ms += lasted[part]
    return parts


def _run(run: Generation, generator: TextGenerator) -> RunOut:
    kinds = ["preamble", *["passage"] * len(run.chunk_ids), "question"]
    chunks = iter(run.chunk_ids)
    parts = [
        PromptPartOut(
            kind=kind,
            text=text,
            tokens=generator.count_tokens(text),
            chunk_id=next(chunks) if kind == "passage" else None,
        )
        for kind, text in zip(kinds, run.segments, strict=True)
    ]
    options = run.options
    return RunOut(
        parts=parts,
        text=run.text,
        tokens=len(run.token_ids),
        mask=options.mask,
        seed=options.seed,
        temperature=options.temperature,
        max_new_tokens=options.max_new_tokens,
    )


def _candidates(
    session: Session, user: Account, trace: Mapping[str, Any], runs: list[Generation], cited: set[int]
) -> list[CandidateOut]:
    rows = trace.get("retrieved", [])
    chunks = load_chunks(session, user)([row["chunk_id"] for row in rows])
    read = {chunk_id for run in runs for chunk_id in run.chunk_ids}
    found = []
    for rank, row in enumerate(rows, start=1):
        chunk = chunks.get(row["chunk_id"])
        found.append(
            CandidateOut(
                rank=rank,
                chunk_id=row["chunk_id"],
                file_name=chunk.file_name if chunk else None,
                page=chunk.page_first if chunk else None,
                text=chunk.text if chunk else "",
                scores=Scores(**{name: row[name] for name in Scores.model_fields}),
                carried=row.get("carried", False),
                in_prompt=row["chunk_id"] in read,
                cited=row["chunk_id"] in cited,
            )
        )
    return found
