"""Collections over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import ConfigDict

from app.schemas import Name, RequestModel, ResponseModel

EXAMPLE: dict[str, Any] = {
    "id": 1,
    "name": "Default",
    "created_at": "2026-11-22T08:30:00Z",
    "document_count": 3,
}


class CollectionCreate(RequestModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "Handbook"}]})

    name: Name


class CollectionOut(ResponseModel):
    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [EXAMPLE]})

    id: int
    name: str
    created_at: datetime
    document_count: int


class CollectionList(ResponseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [EXAMPLE]}]})

    items: list[CollectionOut]
