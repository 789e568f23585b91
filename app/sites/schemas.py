"""Reading sites over HTTP."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any, Literal

from pydantic import ConfigDict, Field

from app.documents.identity import OnExisting
from app.documents.schemas import UploadedFile
from app.errors import ErrorBody
from app.schemas import RequestModel, ResponseModel, RowId
from app.sites.tables import SiteRead
from app.tables import utc_now

ReadStatus = Literal["running", "done", "failed", "cancelled", "interrupted"]
"""`failed`: no page could be had, or the read could not go on; `interrupted`: its process ended."""

EXAMPLE: dict[str, Any] = {
    "id": 3,
    "collection_id": 1,
    "url": "https://example.org/handbook",
    "depth": 1,
    "pages": 20,
    "on_existing": "replace",
    "status": "running",
    "cancel_requested": False,
    "current": "https://example.org/handbook/leave",
    "waiting": 11,
    "pages_left": 18,
    "size_bytes": 48_213,
    "elapsed_s": 2.4,
    "added": 1,
    "unchanged": 0,
    "refused": 1,
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
        },
        {
            "url": "https://example.org/private",
            "file_name": "https://example.org/private",
            "document_id": None,
            "job_id": None,
            "status": "rejected",
            "version": None,
            "same_name_as": None,
            "error": {
                "code": "url_robots_disallowed",
                "stage": "fetched",
                "cause": "The robots.txt of example.org does not allow https://example.org/private.",
                "next_step": "Save the page as a file and upload that.",
                "details": {},
            },
        },
    ],
    "error": None,
    "created_at": "2026-11-22T08:30:00Z",
    "finished_at": None,
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


class SiteReadOut(ResponseModel):
    """One read: what was asked for, how far it is, and what became of each address so far."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [EXAMPLE]})

    id: int
    collection_id: int
    url: str
    depth: int
    pages: int
    on_existing: OnExisting
    status: ReadStatus
    cancel_requested: bool = Field(description="It is about to end as `cancelled`.")
    current: str | None = Field(description="The address that is being read; null between two.")
    waiting: int = Field(description="Addresses that were found and not asked yet.")
    pages_left: int = Field(description="How many more the limit allows.")
    size_bytes: int = Field(description="Of the pages that came.")
    elapsed_s: float
    added: int = Field(description="New documents and new versions; their reading is queued.")
    unchanged: int
    refused: int
    documents: list[ReadUrl] = Field(description="One for each address, in the order of reading.")
    error: ErrorBody | None = Field(description="Why it failed or was interrupted.")
    created_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, row: SiteRead) -> SiteReadOut:
        """The row with what follows from it."""
        counts = Counter(each["status"] for each in row.documents)
        return cls.model_validate(
            {
                **{name: getattr(row, name) for name in cls.model_fields if hasattr(row, name)},
                "pages_left": max(0, row.pages - len(row.documents)),
                "elapsed_s": round(((row.finished_at or utc_now()) - row.created_at).total_seconds(), 3),
                "added": counts["queued"],
                "unchanged": counts["duplicate"],
                "refused": counts["rejected"],
            }
        )


class SiteReadList(ResponseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [EXAMPLE]}]})

    items: list[SiteReadOut]


class SiteReadQuery(RequestModel):
    """Which reads to list."""

    collection_id: RowId | None = None
    limit: int = Field(20, ge=1, le=100)
