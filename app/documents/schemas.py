"""Documents over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field

from app.documents.uploads import UploadOutcome
from app.errors import ErrorBody
from app.jobs.schemas import JobError, JobProgressOut
from app.schemas import MAX_ROW_ID, RequestModel, ResponseModel

DocumentStatus = Literal["queued", "processing", "ready", "failed"]

DOCUMENT_EXAMPLE: dict[str, Any] = {
    "id": 17,
    "collection_id": 1,
    "file_name": "handbook.pdf",
    "media_type": "application/pdf",
    "size_bytes": 48213,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "version": 1,
    "ready_version": 1,
    "status": "ready",
    "progress": None,
    "page_count": 12,
    "chunk_count": 48,
    "paged": True,
    "report": {"pages": 12, "pages_without_text": [], "language": "en", "instruction_like": []},
    "similar": [{"document_id": 9, "file_name": "handbook-2025.pdf", "likeness": 0.93, "same_bytes": False}],
    "error": None,
    "created_at": "2026-11-22T08:30:00Z",
    "updated_at": "2026-11-22T08:30:04Z",
}
UPLOAD_EXAMPLE: dict[str, Any] = {
    "documents": [
        {
            "file_name": "handbook.pdf",
            "document_id": 17,
            "job_id": 23,
            "status": "queued",
            "version": 1,
            "same_name_as": None,
            "error": None,
        }
    ]
}
PAGE_EXAMPLE: dict[str, Any] = {
    "document_id": 17,
    "number": 3,
    "label": "iii",
    "text": "Everyone has 28 days of leave.",
    "start": 4100,
    "end": 4130,
}


class SimilarDocument(ResponseModel):
    """Another document of the collection with the same or nearly the same text."""

    model_config = ConfigDict(from_attributes=True)

    document_id: int
    file_name: str
    likeness: float = Field(description="Estimated share of the text in common, 0 to 1.")
    same_bytes: bool


class DocumentOut(ResponseModel):
    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [DOCUMENT_EXAMPLE]})

    id: int
    collection_id: int
    file_name: str
    media_type: str | None
    size_bytes: int
    sha256: str
    version: int = Field(
        description="The newest version, which name, size, digest, status and error describe."
    )
    ready_version: int | None = Field(
        description="The version that answers questions; null until one is read."
    )
    status: DocumentStatus
    progress: JobProgressOut | None = None
    page_count: int | None
    chunk_count: int | None
    paged: bool | None
    report: dict[str, Any] | None
    similar: list[SimilarDocument] = Field(
        default_factory=list, description="Duplicates and near duplicates in the collection."
    )
    error: JobError | None
    created_at: datetime
    updated_at: datetime


class DocumentList(ResponseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [DOCUMENT_EXAMPLE], "total": 1}]})

    items: list[DocumentOut]
    total: int


class DocumentQuery(RequestModel):
    """Which documents to list."""

    collection_id: int | None = Field(None, ge=1, le=MAX_ROW_ID)
    status: DocumentStatus | None = None
    limit: int = Field(100, ge=1, le=1000)
    offset: int = Field(0, ge=0, le=2**31 - 1)


class UploadedFile(ResponseModel):
    """What became of one file of an upload."""

    file_name: str
    document_id: int | None
    job_id: int | None
    status: Literal["queued", "duplicate", "rejected"]
    version: int | None = None
    same_name_as: int | None = Field(
        None, description="A document of this name with other bytes: this file could be its next version."
    )
    error: ErrorBody | None

    @classmethod
    def of(cls, outcome: UploadOutcome, **more: Any) -> Self:
        """With `more` for the fields of a subclass."""
        return cls(
            file_name=outcome.file_name,
            document_id=outcome.document_id,
            job_id=outcome.job_id,
            status=outcome.status,
            version=outcome.version,
            same_name_as=outcome.same_name_as,
            error=None if outcome.error is None else outcome.error.body(),
            **more,
        )


class UploadResult(ResponseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [UPLOAD_EXAMPLE]})

    documents: list[UploadedFile]


Password = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


class RetryRequest(RequestModel):
    """What is different this time."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"password": "openpassword"}]})

    password: Password | None = Field(
        None, description="Opens a protected PDF; kept with the version, and never shown."
    )


class RetryResult(ResponseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"document_id": 17, "job_id": 24}]})

    document_id: int
    job_id: int


class CancelResult(ResponseModel):
    """`cancelled` is false when nothing waited or ran: the document then stays as it was."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"document_id": 17, "cancelled": True}]})

    document_id: int
    cancelled: bool


class PageOut(ResponseModel):
    """One page's text; `start` and `end` are character offsets in the document."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [PAGE_EXAMPLE]})

    document_id: int
    number: int
    label: str | None
    text: str
    start: int
    end: int


class VersionQuery(RequestModel):
    """Which version to read; without it the one that answers questions."""

    version: int | None = Field(None, ge=1, le=2**31 - 1)


class PageImageQuery(VersionQuery):
    """Which span to mark, in character offsets of the version's text, and how large to draw."""

    start: int | None = Field(None, ge=0, le=2**31 - 1)
    end: int | None = Field(None, ge=0, le=2**31 - 1)
    scale: float = Field(1.5, ge=0.25, le=4, description="Pixels per point.")
