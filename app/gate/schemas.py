"""Bodies of `/v1/collections/{id}/gate`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.schemas import RequestModel, ResponseModel, RowId

SHARE: dict[str, Any] = {"value": 0.04, "low": 0.01, "high": 0.13, "n": 50}
POINT: dict[str, Any] = {"threshold": 0.21, "false_answers": SHARE, "false_refusals": SHARE}
EXAMPLE: dict[str, Any] = {
    "collection_id": 1,
    "threshold": 0.21,
    "default": 0.05,
    "in_force": 0.21,
    "stale": False,
    "calibration": {
        "set_name": "Handbook questions",
        "answerable": 100,
        "unanswerable": 100,
        "wanted_false_answers": 0.05,
        "recommended": 0.21,
        "fitted": POINT,
        "measured": POINT,
        "current": POINT,
        "curve": [POINT],
        "reranker": "footnote-reranker@0123456789ab",
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
    """A threshold, how many unanswerable questions it answers, how many answerable ones it refuses."""

    threshold: float
    false_answers: ShareOut
    false_refusals: ShareOut


class CalibrationOut(BaseModel):
    set_name: str
    answerable: int
    unanswerable: int
    wanted_false_answers: float
    recommended: float = Field(description="Lowest threshold with the wanted rate on one half.")
    fitted: PointOut = Field(description="The recommended threshold on the half that chose it.")
    measured: PointOut = Field(description="The recommended threshold on the other half.")
    current: PointOut = Field(description="The threshold then in force, on the other half.")
    curve: list[PointOut] = Field(description="Every threshold on the other half.")
    reranker: str
    created_at: datetime


class GateOut(ResponseModel):
    """The threshold of a collection, and what is known about thresholds on its questions."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [EXAMPLE]})

    collection_id: int
    threshold: float | None = Field(description="The collection's own; null: the default applies.")
    default: float
    in_force: float
    stale: bool = Field(description="The calibration was made with another reranker.")
    calibration: CalibrationOut | None


class GateChange(RequestModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"threshold": 0.21}]})

    threshold: float | None = Field(ge=0, le=1, description="Null: the default applies again.")


class CalibrateRequest(RequestModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"eval_set_id": 1, "wanted_false_answers": 0.05}]}
    )

    eval_set_id: RowId
    wanted_false_answers: float = Field(default=0.05, ge=0, le=1)
    apply: bool = Field(default=False, description="Put the recommended threshold in force.")
