"""`/v1/documents`: upload, status, list, pages, delete."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse

from app.dependencies import AppServices, CurrentUser, ReadSession, WriteSession
from app.documents import page_images, removal, service
from app.documents.blobs import StorageFull
from app.documents.receiving import receive_upload, register_all, upload_result
from app.documents.schemas import (
    CancelResult,
    DocumentList,
    DocumentOut,
    DocumentQuery,
    PageImageQuery,
    PageOut,
    RetryResult,
    UploadResult,
)
from app.documents.service import PageNotFound
from app.error_responses import error_responses
from app.errors import (
    CollectionNotFound,
    Conflict,
    DocumentNotFound,
    NotFound,
    PageImageUnavailable,
    UploadTooLarge,
)
from app.schemas import MAX_ROW_ID, RowId

router = APIRouter(prefix="/v1/documents", tags=["documents"])

PageNumber = Annotated[int, Path(ge=1, le=2**31 - 1, description="Position of the page, from 1.")]
UPLOAD_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "additionalProperties": False,
                    "properties": {
                        "files": {"type": "array", "items": {"type": "string", "format": "binary"}},
                        "collection_id": {"type": "integer", "minimum": 1, "maximum": MAX_ROW_ID},
                    },
                }
            }
        },
    }
}
BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}


class FileGone(NotFound):
    code = "file_missing"
    default_next_step = "Upload the file again; run `footnote doctor`."


@router.post(
    "",
    status_code=202,
    openapi_extra=UPLOAD_BODY,
    responses=error_responses(CollectionNotFound, UploadTooLarge, StorageFull),
)
async def upload(request: Request, services: AppServices, user: CurrentUser) -> UploadResult:
    """Stores files and queues their reading; every file has its own outcome.

    A duplicate inside the collection is recognised before any work. When every file is refused, the
    response is the first refusal's error, with all outcomes in `details.documents`.
    """
    async with receive_upload(request, services) as received:
        outcomes = await run_in_threadpool(register_all, services, user, received)
    return upload_result(outcomes)


@router.get("", responses=error_responses(CollectionNotFound))
def list_all(
    query: Annotated[DocumentQuery, Query()], session: ReadSession, user: CurrentUser
) -> DocumentList:
    """Your documents, newest first."""
    return service.list_page(session, user, query)


@router.get("/{document_id}", responses=error_responses(DocumentNotFound))
def read(document_id: RowId, session: ReadSession, user: CurrentUser) -> DocumentOut:
    """One document with its status, progress, quality report or error."""
    return service.get(session, user, document_id)


@router.delete("/{document_id}", status_code=204, responses=error_responses(DocumentNotFound))
def delete(document_id: RowId, services: AppServices, user: CurrentUser) -> None:
    """Deletes a document in any state; from this moment no search finds it."""
    with services.sessions.begin() as session:
        sha256 = removal.delete_document(session, user, document_id)
    removal.collect_garbage(services.sessions, services.blobs, [sha256])


@router.post("/{document_id}/retry", status_code=202, responses=error_responses(DocumentNotFound, Conflict))
def retry(document_id: RowId, session: WriteSession, user: CurrentUser) -> RetryResult:
    """Queues a failed document again; it stays the same document."""
    return service.retry(session, user, document_id)


@router.post("/{document_id}/cancel", responses=error_responses(DocumentNotFound))
def cancel(document_id: RowId, session: WriteSession, user: CurrentUser) -> CancelResult:
    """Stops the reading of a document at once; it can be retried or deleted. Harmless when nothing runs."""
    return service.cancel(session, user, document_id)


@router.get(
    "/{document_id}/file",
    response_class=FileResponse,
    responses={
        200: {"content": {"application/octet-stream": BINARY}, "description": "The original bytes."},
        **error_responses(DocumentNotFound, FileGone),
    },
)
def download(
    document_id: RowId, services: AppServices, session: ReadSession, user: CurrentUser
) -> FileResponse:
    """The uploaded bytes, as an attachment that no browser interprets."""
    document = service.get_row(session, user, document_id)
    path = services.blobs.path(document.sha256)
    if not path.exists():
        raise FileGone(f"The bytes of {document.file_name} are gone.")
    return FileResponse(path, media_type="application/octet-stream", filename=document.file_name)


@router.get("/{document_id}/pages/{number}", responses=error_responses(DocumentNotFound, PageNotFound))
def read_page(document_id: RowId, number: PageNumber, session: ReadSession, user: CurrentUser) -> PageOut:
    """The text of one page."""
    return PageOut.model_validate(service.get_page(session, user, document_id, number))


@router.get(
    "/{document_id}/pages/{number}/image",
    response_class=Response,
    responses={
        200: {"content": {"image/png": BINARY}, "description": "The page with the span's lines marked."},
        **error_responses(DocumentNotFound, PageNotFound, PageImageUnavailable),
    },
)
def read_page_image(
    document_id: RowId,
    number: PageNumber,
    query: Annotated[PageImageQuery, Query()],
    services: AppServices,
    session: ReadSession,
    user: CurrentUser,
) -> Response:
    """A picture of a PDF page; the part of the span start..end on it is marked."""
    document = service.get_row(session, user, document_id)
    page = service.get_page(session, user, document_id, number)
    png = page_images.draw(document, page, services.blobs.path(document.sha256), query)
    return Response(png, media_type="image/png", headers={"Cache-Control": "private, max-age=3600"})
