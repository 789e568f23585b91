"""`/v1/documents/check` and `/v1/documents/{id}/versions`: what is known, and what a document has been."""

from __future__ import annotations

from fastapi import APIRouter, BackgroundTasks

from app.dependencies import AppServices, CurrentUser, ReadSession
from app.documents import service
from app.documents.schemas import DocumentOut
from app.documents.sweeping import sweep_services
from app.documents.version_schemas import FileCheck, FileCheckResult, VersionList
from app.error_responses import error_responses
from app.errors import CollectionNotFound, Conflict, DocumentNotFound
from app.schemas import RowId

router = APIRouter(prefix="/v1/documents", tags=["documents"])


@router.post("/check", responses=error_responses(CollectionNotFound))
def check(body: FileCheck, session: ReadSession, user: CurrentUser) -> FileCheckResult:
    """Which of these files a collection has already, before a byte is sent."""
    return service.check_files(session, user, body)


@router.get("/{document_id}/versions", responses=error_responses(DocumentNotFound))
def list_versions(document_id: RowId, session: ReadSession, user: CurrentUser) -> VersionList:
    """What the document has been, newest first; the `current` one answers questions."""
    return service.list_versions(session, user, document_id)


@router.delete("/{document_id}/versions/pending", responses=error_responses(DocumentNotFound, Conflict))
def drop_pending(
    document_id: RowId, services: AppServices, user: CurrentUser, afterwards: BackgroundTasks
) -> DocumentOut:
    """Gives up a new version that waits, is being read or has failed; the one that answers stays."""
    with services.sessions.begin() as session:
        shown = service.drop_version(session, user, document_id)
    afterwards.add_task(sweep_services, services)
    return shown
