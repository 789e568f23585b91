"""Bodies of `/v1/conversations`."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from app.answers.schemas import Answer


class ConversationOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    title: str
    created_at: datetime
    updated_at: datetime


class ConversationDetail(ConversationOut):
    messages: list[Answer]


class ConversationList(BaseModel):
    items: list[ConversationOut]
