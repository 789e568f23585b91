"""Shared pieces of the HTTP schemas: strict requests, row ids, storable names."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from app.db import storable

MAX_ROW_ID = 2**63 - 1  # BIGINT of both databases

RowId = Annotated[int, Field(ge=1, le=MAX_ROW_ID, description="Id of a row.")]


class RequestModel(BaseModel):
    """A request body: unknown fields are errors, so that a typo is never silently ignored."""

    model_config = ConfigDict(extra="forbid")


class ResponseModel(BaseModel):
    """A response body, readable from a row's attributes."""

    model_config = ConfigDict(from_attributes=True)


def _stripped(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _printable(value: str) -> str:
    """Names are shown to people and stored in both databases: no control characters, no lone surrogates."""
    if not value.isprintable() or storable(value) != value:
        raise ValueError("must not contain control characters")
    return value


Name = Annotated[
    str, BeforeValidator(_stripped), Field(min_length=1, max_length=200), AfterValidator(_printable)
]
