"""Bodies of `/v1/overview`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ModelOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    kind: Literal["encoder", "reranker", "verifier", "decoder", "answerer"]
    id: str
    licence: str
    source: str
    size_bytes: int


class SettingOut(BaseModel):
    """A setting in force; it is changed by its variable and a new start."""

    name: str
    variable: str
    value: str | float | int | bool | None
    default: str | float | int | bool | None
    description: str


class StageTime(BaseModel):
    """How long one step of an answer took here."""

    stage: str
    median_ms: float
    p95_ms: float
    answers: int


class Overview(BaseModel):
    version: str
    models: list[ModelOut]
    settings: list[SettingOut]
    speed: list[StageTime] = Field(description="Of the last answers, on this machine.")
