"""The receiving end of an upload request: body to staged files, staged files to outcomes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from pydantic import TypeAdapter, ValidationError

from app.accounts.types import Account
from app.collections.service import require
from app.documents.multipart import COLLECTION_FIELD, MultipartReceiver, ReceivedFile
from app.documents.schemas import UploadedFile, UploadResult
from app.documents.uploads import UploadOutcome, register
from app.errors import AppError, InvalidRequest
from app.schemas import RowId
from app.services import Services

COLLECTION_ID: TypeAdapter[int] = TypeAdapter(RowId)


@asynccontextmanager
async def receive_upload(request: Request, services: Services) -> AsyncIterator[MultipartReceiver]:
    """Reads the whole body; whatever was not registered when the block ends is removed."""
    receiver = MultipartReceiver(
        request.headers.get("content-type", ""),
        services.blobs,
        max_bytes=services.settings.max_upload_bytes,
        max_files=services.settings.max_upload_files,
    )
    try:
        async for data in request.stream():
            await run_in_threadpool(receiver.write, data)  # hashing and disk writes leave the event loop free
        await run_in_threadpool(receiver.finish)
        yield receiver
    finally:
        await run_in_threadpool(receiver.discard)


def register_all(services: Services, user: Account, received: MultipartReceiver) -> list[UploadOutcome]:
    """One outcome for each file; raises InvalidRequest or CollectionNotFound for the upload as a whole."""
    collection_id = _collection_id(received.fields.get(COLLECTION_FIELD))
    with services.sessions.begin() as session:
        collection_id = require(session, user, collection_id)
    return [_register(services, user, collection_id, file) for file in received.files]


def upload_result(outcomes: Sequence[UploadOutcome]) -> UploadResult:
    """The response body. Raises the first refusal, all outcomes in its details, when nothing was accepted."""
    result = UploadResult(documents=[_shown(outcome) for outcome in outcomes])
    errors = [outcome.error for outcome in outcomes if outcome.error is not None]
    if len(errors) == len(outcomes):
        errors[0].details["documents"] = result.model_dump()["documents"]
        raise errors[0]
    return result


def _shown(outcome: UploadOutcome) -> UploadedFile:
    return UploadedFile(
        file_name=outcome.file_name,
        document_id=outcome.document_id,
        job_id=outcome.job_id,
        status=outcome.status,
        error=None if outcome.error is None else outcome.error.body(),
    )


def _register(services: Services, user: Account, collection_id: int, file: ReceivedFile) -> UploadOutcome:
    try:
        if file.staged is None:
            raise file.error or InvalidRequest("The file did not arrive.")
        return register(services.sessions, services.blobs, user, collection_id, file.file_name, file.staged)
    except AppError as error:
        return UploadOutcome(file.file_name, "rejected", error=error)


def _collection_id(text: str | None) -> int | None:
    """The form field as an id; raises InvalidRequest."""
    if text is None:
        return None
    try:
        return COLLECTION_ID.validate_python(text)
    except ValidationError as error:
        raise InvalidRequest(
            f"collection_id {text[:50]!r} is not an id of a collection.", field=COLLECTION_FIELD
        ) from error
