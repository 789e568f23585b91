"""Eval sets and their questions over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import ConfigDict, Field

from app.evals.cases import Asked, Case, CaseStatus, Gold, Origin, OwnPassage, Words
from app.schemas import Name, RequestModel, ResponseModel, RowId

SET_EXAMPLE: dict[str, Any] = {
    "id": 1,
    "name": "handbook questions",
    "collection_id": 1,
    "ready": 16,
    "review": 2,
    "corpus_documents": 0,
    "tags": ["leave"],
    "created_at": "2026-11-22T08:30:00Z",
    "updated_at": "2026-11-22T08:31:00Z",
}
CASE_EXAMPLE: dict[str, Any] = {
    "question": "By when do carried-over leave days lapse?",
    "answers": ["31 May"],
    "answerable": True,
    "gold": [{"file": "employee-handbook.pdf", "page": 2, "quote": "lapse on 31 May"}],
    "tags": ["leave"],
}


class SetCreate(RequestModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"name": "handbook questions", "collection_id": 1}]}
    )

    name: Name
    collection_id: RowId | None = Field(
        default=None, description="The collection its questions are asked of; without one, all of yours."
    )


class SetChange(RequestModel):
    """New values; what is left out stays."""

    name: Name | None = None
    collection_id: RowId | None = None


class SetOut(ResponseModel):
    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [SET_EXAMPLE]})

    id: int
    name: str
    collection_id: int | None
    ready: int = Field(description="Questions that runs ask.")
    review: int = Field(description="Questions that wait for a person to look at them.")
    corpus_documents: int = Field(description="Documents that the set brings along; its questions ask these.")
    tags: list[str]
    created_at: datetime
    updated_at: datetime


class SetList(ResponseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [SET_EXAMPLE]}]})

    items: list[SetOut]


class CaseIn(RequestModel):
    """A question as a person writes it; `key` names it within the set and is made up when left out."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [CASE_EXAMPLE]})

    key: Name | None = None
    question: Asked
    history: list[Asked] = Field(default=[], max_length=50, description="Earlier questions, oldest first.")
    answers: list[Words] = Field(default=[], max_length=100)
    answerable: bool | None = None
    gold: list[Gold] = Field(default=[], max_length=1000)
    passages: list[OwnPassage] | None = Field(default=None, max_length=1000)
    tags: list[Name] = Field(default=[], max_length=50)
    status: CaseStatus = "ready"


class CaseOut(Case):
    model_config = ConfigDict(from_attributes=True, extra="ignore")

    id: int
    set_id: int
    origin: Origin
    message_id: int | None
    updated_at: datetime


class CaseList(ResponseModel):
    items: list[CaseOut]
    total: int


class FromMessage(RequestModel):
    """An answer that was not right, and what would have been."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"message_id": 12, "correction": "31 May", "comment": "Wrong year."}]
        },
    )

    message_id: RowId
    set_id: RowId | None = Field(default=None, description="Without one, the set `From feedback`.")
    correction: Words | None = Field(default=None, description="The right answer, where there is one.")
    answerable: bool | None = Field(
        default=None,
        description="False: the documents don't say. Without it, true when there is a correction.",
    )
    comment: Words | None = None
