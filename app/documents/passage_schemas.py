"""The passages of a document over HTTP."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from app.schemas import RequestModel, ResponseModel

PASSAGE_EXAMPLE: dict[str, Any] = {
    "chunk_id": 812,
    "position": 4,
    "page_first": 2,
    "page_last": 2,
    "headings": ["2. Working hours and leave"],
    "start": 1980,
    "end": 2391,
    "tokens": 94,
    "text": "You have 28 days of annual leave, and one further day for every five years.",
}


class PassageQuery(RequestModel):
    """Which passages of a document to list, in the order of its text."""

    page: int | None = Field(
        None, ge=1, le=2**31 - 1, description="Only those that stand on this page, in whole or in part."
    )
    limit: int = Field(50, ge=1, le=200)
    offset: int = Field(0, ge=0, le=2**31 - 1)


class PassageOut(ResponseModel):
    """What one vector stands for and one citation can name; offsets are characters of the text."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [PASSAGE_EXAMPLE]})

    chunk_id: int
    position: int = Field(description="From 0.")
    page_first: int | None
    page_last: int | None
    headings: list[str]
    start: int
    end: int
    tokens: int
    text: str


class PassageList(ResponseModel):
    """`version` is the one that answers questions: only its passages are kept."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"version": 1, "total": 48, "items": [PASSAGE_EXAMPLE]}]}
    )

    version: int | None
    total: int
    items: list[PassageOut]
