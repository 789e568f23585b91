"""`/v1/documents`: upload, status, list, pages, delete."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from fastapi import APIRouter, BackgroundTasks, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse

from app.dependencies import AppServices, CurrentUser, ReadSession, WriteSession
from app.documents import page_images, removal, service
from app.documents.blobs import StorageFull
from app.documents.identity import OnExisting
from app.documents.receiving import receive_upload, register_all, upload_result
from app.documents.schemas import (
    CancelResult,
    DocumentList,
    DocumentOut,
    DocumentQuery,
    PageImageQuery,
    PageOut,
    RetryRequest,
    RetryResult,
    UploadResult,
    VersionQuery,
)
from app.documents.service import PageNotFound, VersionNotFound, VersionPurged
from app.documents.sweeping import sweep_services
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
ROW_ID: dict[str, Any] = {"type": "integer", "minimum": 1, "maximum": MAX_ROW_ID}
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
                        "collection_id": ROW_ID,
                        "on_existing": {
                            "type": "string",
                            "enum": list(get_args(OnExisting)),
                            "default": "skip",
                            "description": "For bytes or a name that the collection has already.",
                        },
                        "document_id": {**ROW_ID, "description": "With replace: the document it is about."},
                        "password": {
                            "type": "string",
                            "description": "Opens those that are protected (PDF).",
                        },
                    },
                }
            }
        },
    }
}
BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}

NOT_KEPT = {"Cache-Control": "private, no-store"}  # a deletion does not reach what a browser has kept


class FileGone(NotFound):
    code = "file_missing"
    default_next_step = "Upload the file again; run `footnote doctor`."


@router.post(
    "",
    status_code=202,
    openapi_extra=UPLOAD_BODY,
    responses=error_responses(CollectionNotFound, DocumentNotFound, UploadTooLarge, StorageFull),
)
async def upload(request: Request, services: AppServices, user: CurrentUser) -> UploadResult:
    """Stores files and queues their reading; every file has its own outcome.

    What the collection has already is recognised by SHA-256 before any work. `on_existing` says what then
    happens: `skip` (the default) reads nothing twice; `replace` makes a new version of the document with this
    name or these bytes, or of `document_id`, and the old one answers until the new one is ready; `keep_both`
    makes a document of its own. When every file is refused, the response is the first refusal's error, with
    all outcomes in `details.documents`.
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
def delete(document_id: RowId, services: AppServices, user: CurrentUser, afterwards: BackgroundTasks) -> None:
    """Deletes a document in any state, with all its versions; from this moment no search finds it."""
    with services.sessions.begin() as session:
        removal.delete_document(session, user, document_id)
    afterwards.add_task(sweep_services, services)


@router.post("/{document_id}/retry", status_code=202, responses=error_responses(DocumentNotFound, Conflict))
def retry(
    document_id: RowId, session: WriteSession, user: CurrentUser, body: RetryRequest | None = None
) -> RetryResult:
    """Has a document read from now on: one that failed or waits for its next try, or that is being read and
    is begun anew.

    It stays the same document. A protected PDF takes its password. One that is ready is a conflict: upload
    its file with `on_existing=replace` to have it read as a new version.
    """
    return service.retry(session, user, document_id, None if body is None else body.password)


@router.post("/{document_id}/cancel", responses=error_responses(DocumentNotFound))
def cancel(document_id: RowId, session: WriteSession, user: CurrentUser) -> CancelResult:
    """Stops the reading of a document at once; it can be retried or deleted. Harmless when nothing runs."""
    return service.cancel(session, user, document_id)


@router.get(
    "/{document_id}/file",
    response_class=FileResponse,
    responses={
        200: {"content": {"application/octet-stream": BINARY}, "description": "The original bytes."},
        **error_responses(DocumentNotFound, FileGone, VersionNotFound, VersionPurged),
    },
)
def download(
    document_id: RowId,
    query: Annotated[VersionQuery, Query()],
    services: AppServices,
    session: ReadSession,
    user: CurrentUser,
) -> FileResponse:
    """The uploaded bytes, as an attachment that no browser interprets."""
    version = service.get_version(session, user, document_id, query.version)
    path = services.blobs.path(version.sha256)
    if not path.exists():
        raise FileGone(f"The bytes of {version.file_name} are gone.")
    return FileResponse(
        path, media_type="application/octet-stream", filename=version.file_name, headers=NOT_KEPT
    )


@router.get(
    "/{document_id}/pages/{number}",
    responses=error_responses(DocumentNotFound, PageNotFound, VersionNotFound, VersionPurged),
)
def read_page(
    document_id: RowId,
    number: PageNumber,
    query: Annotated[VersionQuery, Query()],
    session: ReadSession,
    user: CurrentUser,
) -> PageOut:
    """The text of one page."""
    version = service.get_version(session, user, document_id, query.version)
    return PageOut.model_validate(service.get_page(session, version, number))


@router.get(
    "/{document_id}/pages/{number}/image",
    response_class=Response,
    responses={
        200: {"content": {"image/png": BINARY}, "description": "The page with the span's lines marked."},
        **error_responses(
            DocumentNotFound, PageNotFound, PageImageUnavailable, VersionNotFound, VersionPurged
        ),
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
    version = service.get_version(session, user, document_id, query.version)
    page = service.get_page(session, version, number)
    png = page_images.draw(version, page, services.blobs.path(version.sha256), query, services.pictures.path)
    return Response(png, media_type="image/png", headers=NOT_KEPT)
