"""Saved retrieval configurations over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import ConfigDict, Field

from app.schemas import Name, RequestModel, ResponseModel

VALUES: dict[str, Any] = {
    "dense_k": 50,
    "bm25_k": 50,
    "rrf_k": 60,
    "rerank_k": 40,
    "fused_weight": 100,
    "top_k": 5,
    "evidence_threshold": 0.05,
}
EXAMPLE: dict[str, Any] = {
    "id": 1,
    "name": "reads more",
    "config": VALUES,
    "in_force": False,
    "adoption": None,
    "created_at": "2026-11-22T08:30:00Z",
    "adopted_at": None,
}


class ConfigurationValues(RequestModel):
    """Values of a retrieval configuration; what is left out is taken from the settings."""

    dense_k: int | None = Field(default=None, ge=1, le=1000)
    bm25_k: int | None = Field(default=None, ge=1, le=1000)
    rrf_k: int | None = Field(default=None, ge=1, le=1000)
    rerank_k: int | None = Field(default=None, ge=1, le=500)
    fused_weight: int | None = Field(default=None, ge=0, le=1000)
    top_k: int | None = Field(default=None, ge=1, le=50)
    evidence_threshold: float | None = Field(default=None, ge=0, le=1)


class ConfigurationCreate(RequestModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"name": "reads more", "config": {"rerank_k": 40}}]}
    )

    name: Name
    config: ConfigurationValues = ConfigurationValues()


class ConfigurationOut(ResponseModel):
    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [EXAMPLE]})

    id: int
    name: str
    config: dict[str, Any]
    in_force: bool
    adoption: dict[str, Any] | None
    created_at: datetime
    adopted_at: datetime | None


class ConfigurationList(ResponseModel):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"in_force": "settings", "settings": VALUES, "items": [EXAMPLE]}]}
    )

    in_force: str = Field(description="Name of the configuration in force; `settings` before any adoption.")
    settings: dict[str, Any] = Field(description="The configuration of the settings.")
    items: list[ConfigurationOut]


class Adopt(RequestModel):
    """Two finished runs to compare, or a reason for doing without."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"baseline_run_id": 3, "candidate_run_id": 4},
                {"force": True, "reason": "Fewer passages read: the machine is too slow for 40."},
            ]
        },
    )

    baseline_run_id: int | None = Field(default=None, ge=1, description="Run of what is in force now.")
    candidate_run_id: int | None = Field(default=None, ge=1, description="Run of this configuration.")
    force: bool = Field(default=False, description="Adopt without a comparison; needs a reason.")
    reason: str | None = Field(default=None, min_length=1, max_length=2000)
