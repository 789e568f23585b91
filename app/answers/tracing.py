"""What is stored to explain an answer later."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from app.answers.generation import template_id, text_id
from app.answers.types import Command, Draft, Passage
from app.services import Services
from retrieval.types import SearchResult


def asked_of(command: Command) -> dict[str, Any]:
    """What is known before anything was found: the configuration, and what the question was asked of."""
    return {
        "config": asdict(command.config),
        "scope": {"collection_ids": command.collection_ids, "document_ids": command.document_ids},
    }


def _passage(passage: Passage) -> dict[str, Any]:
    """What a passage of the prompt was, to see later whether it is still the same."""
    chunk = passage.chunk
    return {
        "number": passage.number,
        "chunk_id": chunk.chunk_id,
        "document_id": chunk.document_id,
        "document_version": chunk.document_version,
        "file_name": chunk.file_name,
        "text_id": text_id(chunk.text),
    }


def trace_of(services: Services, draft: Draft, result: SearchResult, command: Command) -> dict[str, Any]:
    """Everything needed to explain this answer later."""
    models = services.models
    return {
        **asked_of(command),
        "generations": [generation.to_json() for generation in draft.generations],
        "passages": [_passage(passage) for passage in draft.prompt.passages] if draft.prompt else [],
        "withheld": list(draft.prompt.withheld) if draft.prompt else [],
        "template": template_id(models.writer(draft.route.generator).template),
        "basis": asdict(draft.basis) if draft.basis else None,
        "arithmetic": dict(models.arithmetic),
        "left_out": [passage.chunk.chunk_id for passage in draft.prompt.left_out] if draft.prompt else [],
        "retrieved": [
            {
                "chunk_id": hit.chunk.chunk_id,
                "dense": hit.dense,
                "bm25": hit.bm25,
                "fused": hit.fused,
                "rerank": hit.rerank,
                "carried": hit.carried,
            }
            for hit in result.hits
        ],
        "models": {
            "encoder": models.ingest.encoder_id,
            "reranker": models.reranker_id,
            "verifier": models.verifier_id,
            "generator": models.writer(draft.route.generator).id,
        },
        "route": asdict(draft.route),
        "timings_ms": draft.timings_ms,
        "starts_ms": draft.starts_ms,
        "caches": draft.caches,
        "tokens": draft.tokens,
    }
