"""Reading sites over HTTP."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from app.documents.identity import OnExisting
from app.documents.schemas import UploadedFile
from app.schemas import RequestModel, ResponseModel

EXAMPLE: dict[str, Any] = {
    "documents": [
        {
            "url": "https://example.org/handbook",
            "file_name": "https://example.org/handbook",
            "document_id": 18,
            "job_id": 24,
            "status": "queued",
            "version": 1,
            "same_name_as": None,
            "error": None,
        }
    ]
}


class UrlRead(RequestModel):
    """Which page to read, and how far to follow its links on the same site."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"url": "https://example.org/handbook", "depth": 1, "pages": 20}]}
    )

    url: str = Field(min_length=1, max_length=2000)
    depth: int = Field(0, ge=0, le=5, description="Links away from the page that are followed.")
    pages: int = Field(1, ge=1, le=100, description="Most pages in all.")
    on_existing: OnExisting = Field(
        "replace", description="For an address or bytes that the collection has already, as with an upload."
    )


class ReadUrl(UploadedFile):
    """What became of one address; `file_name` is where its redirects ended."""

    url: str


class UrlReadResult(ResponseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    documents: list[ReadUrl]
