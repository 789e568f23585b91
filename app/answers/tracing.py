"""What is stored to explain an answer later."""

from __future__ import annotations

from typing import Any

from app.answers.types import Command, Draft
from app.services import Services
from retrieval.types import SearchConfig, SearchResult


def trace_of(services: Services, draft: Draft, result: SearchResult, command: Command) -> dict[str, Any]:
    """Everything needed to explain this answer later."""
    models = services.models
    return {
        "prompt": draft.prompt.text if draft.prompt else None,
        "left_out": [passage.chunk.chunk_id for passage in draft.prompt.left_out] if draft.prompt else [],
        "retrieved": [
            {
                "chunk_id": hit.chunk.chunk_id,
                "dense": hit.dense,
                "bm25": hit.bm25,
                "fused": hit.fused,
                "rerank": hit.rerank,
            }
            for hit in result.hits
        ],
        "models": {
            "encoder": models.ingest.encoder_id,
            "reranker": models.reranker_id,
            "verifier": models.verifier_id,
            "generator": models.generator.id,
        },
        "config": {name: getattr(command.config, name) for name in SearchConfig.__slots__},
        "timings_ms": draft.timings_ms,
        "tokens": draft.tokens,
    }
