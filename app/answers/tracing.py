"""What is stored to explain an answer later."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from app.answers.types import Command, Draft
from app.services import Services
from retrieval.types import SearchResult


def asked_of(command: Command) -> dict[str, Any]:
    """What is known before anything was found: the configuration, and what the question was asked of."""
    return {
        "config": asdict(command.config),
        "scope": {"collection_ids": command.collection_ids, "document_ids": command.document_ids},
    }


def trace_of(services: Services, draft: Draft, result: SearchResult, command: Command) -> dict[str, Any]:
    """Everything needed to explain this answer later."""
    models = services.models
    return {
        **asked_of(command),
        "prompt": draft.prompt.text if draft.prompt else None,
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
            "generator": models.generator.id,
        },
        "timings_ms": draft.timings_ms,
        "tokens": draft.tokens,
    }
