"""What a run's figures depend on: models and settings, written down with it."""

from __future__ import annotations

from typing import Any

from app.services import Services

SETTINGS = ("prompt_passages", "prompt_tokens", "answer_tokens", "passage_mask", "max_question_tokens")


def conditions(services: Services) -> dict[str, Any]:
    """Ids of the models and the settings that change answers; the search configuration stands beside them."""
    models = services.models
    return {
        "encoder": models.ingest.encoder_id,
        "reranker": models.reranker_id,
        "verifier": models.verifier_id,
        "generator": models.generator.id,
        "settings": {name: getattr(services.settings, name) for name in SETTINGS},
    }
