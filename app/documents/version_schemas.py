"""Versions and known files over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import ConfigDict, Field

from app.documents.schemas import DocumentStatus
from app.schemas import MAX_ROW_ID, RequestModel, ResponseModel

SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
VERSION_EXAMPLE: dict[str, Any] = {
    "number": 1,
    "state": "replaced",
    "file_name": "handbook.pdf",
    "sha256": SHA256,
    "size_bytes": 48213,
    "media_type": "application/pdf",
    "page_count": 12,
    "created_at": "2026-11-22T08:30:00Z",
    "ready_at": "2026-11-22T08:30:04Z",
    "replaced_at": "2026-11-23T17:05:41Z",
    "purged_at": None,
}
CHECK_EXAMPLE: dict[str, Any] = {
    "collection_id": 1,
    "files": [{"file_name": "handbook.pdf", "sha256": SHA256}],
}
CHECKED_EXAMPLE: dict[str, Any] = {
    "files": [
        {
            "file_name": "handbook.pdf",
            "match": "same_name",
            "document_id": 17,
            "document_name": "handbook.pdf",
            "version": 1,
            "status": "ready",
        }
    ]
}


class VersionOut(ResponseModel):
    """One file that the document has been; `purged_at` says since when its pages and bytes are gone."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [VERSION_EXAMPLE]})

    number: int
    state: Literal["pending", "current", "replaced"]
    file_name: str
    sha256: str
    size_bytes: int
    media_type: str | None
    page_count: int | None
    created_at: datetime
    ready_at: datetime | None
    replaced_at: datetime | None
    purged_at: datetime | None


class VersionList(ResponseModel):
    items: list[VersionOut]


class FileToCheck(RequestModel):
    file_name: str = Field(max_length=10_000)
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of the bytes, hexadecimal.")


class FileCheck(RequestModel):
    """Files that are about to be uploaded."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [CHECK_EXAMPLE]})

    collection_id: int | None = Field(None, ge=1, le=MAX_ROW_ID)
    files: list[FileToCheck] = Field(min_length=1, max_length=10_000)


class CheckedFile(ResponseModel):
    """`same_bytes`: nothing needs to be read; `same_name`: other bytes, perhaps a new version."""

    file_name: str
    match: Literal["none", "same_bytes", "same_name"]
    document_id: int | None
    document_name: str | None
    version: int | None
    status: DocumentStatus | None


class FileCheckResult(ResponseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [CHECKED_EXAMPLE]})

    files: list[CheckedFile]
