"""Bodies of `/v1/conversations` and `/v1/shared`."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from app.answers.schemas import Answer, CitationOut, ErrorOut, SourceOut
from app.schemas import Name, RequestModel


class ConversationOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    title: str
    created_at: datetime
    updated_at: datetime


class ConversationFound(ConversationOut):
    """A conversation in a list; `excerpt` shows where the searched words stand, title aside."""

    excerpt: str | None = None


class ConversationDetail(ConversationOut):
    messages: list[Answer]


class ConversationList(BaseModel):
    items: list[ConversationFound]


class ConversationUpdate(RequestModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"title": "Leave"}]})

    title: Name


class ShareOut(BaseModel):
    """A link to a conversation: whoever has the token can read it up to `last_message_id`."""

    model_config = ConfigDict(from_attributes=True)

    token: str
    last_message_id: int
    created_at: datetime


class SharedAnswer(BaseModel):
    """A turn as a link shows it: the answer, its footnotes and the passages that they cite, nothing else."""

    question: str
    standalone_question: str | None
    answer: str | None
    state: Literal["pending", "answered", "refused", "failed", "cancelled"]
    error: ErrorOut | None
    citations: list[CitationOut]
    sources: list[SourceOut]
    created_at: datetime


class SharedConversation(BaseModel):
    title: str
    created_at: datetime
    messages: list[SharedAnswer]
