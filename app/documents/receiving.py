"""The receiving end of an upload request: body to staged files, staged files to outcomes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.orm import Session

from app.accounts.types import Account
from app.collections.service import require
from app.documents import service
from app.documents.identity import OnExisting
from app.documents.multipart import MultipartReceiver, ReceivedFile
from app.documents.schemas import Password, UploadedFile, UploadResult
from app.documents.uploads import UploadOutcome, register
from app.errors import AppError, InvalidRequest
from app.schemas import RowId
from app.services import Services

Field = TypeVar("Field")


@dataclass(frozen=True, slots=True)
class UploadForm:
    """The fields beside the files of an upload."""

    collection_id: int | None
    document_id: int | None
    on_existing: OnExisting
    password: str | None


ROW_ID: TypeAdapter[int] = TypeAdapter(RowId)
ON_EXISTING: TypeAdapter[OnExisting] = TypeAdapter(OnExisting)
PASSWORD: TypeAdapter[str] = TypeAdapter(Password)


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
    """One outcome for each file.

    Raises InvalidRequest, CollectionNotFound or DocumentNotFound for the upload as a whole.
    """
    form = _form(received)
    with services.sessions.begin() as session:
        collection_id = _collection_of(session, user, form)
    return [_register(services, user, collection_id, form, file) for file in received.files]


def upload_result(outcomes: Sequence[UploadOutcome]) -> UploadResult:
    """The response body. Raises the first refusal, all outcomes in its details, when nothing was accepted."""
    result = UploadResult(documents=[UploadedFile.of(outcome) for outcome in outcomes])
    errors = [outcome.error for outcome in outcomes if outcome.error is not None]
    if len(errors) == len(outcomes):
        errors[0].details["documents"] = result.model_dump()["documents"]
        raise errors[0]
    return result


def _register(
    services: Services, user: Account, collection_id: int, form: UploadForm, file: ReceivedFile
) -> UploadOutcome:
    try:
        if file.staged is None:
            raise file.error or InvalidRequest("The file did not arrive.")
        return register(
            services.sessions,
            services.blobs,
            user,
            collection_id,
            file.file_name,
            file.staged,
            on_existing=form.on_existing,
            document_id=form.document_id,
            password=form.password,
        )
    except AppError as error:
        return UploadOutcome(file.file_name, "rejected", error=error)


def _collection_of(session: Session, user: Account, form: UploadForm) -> int:
    """The collection that is named, or that of the document to be replaced, or Default."""
    if form.document_id is None or form.collection_id is not None:
        return require(session, user, form.collection_id)
    return service.get_row(session, user, form.document_id).collection_id


def _form(received: MultipartReceiver) -> UploadForm:
    """The fields with their types; raises InvalidRequest."""
    fields = received.fields
    form = UploadForm(
        collection_id=_field(ROW_ID, fields, "collection_id"),
        document_id=_field(ROW_ID, fields, "document_id"),
        on_existing=_field(ON_EXISTING, fields, "on_existing") or "skip",
        password=_field(PASSWORD, fields, "password"),
    )
    if form.document_id is not None and (form.on_existing != "replace" or len(received.files) != 1):
        raise InvalidRequest(
            "`document_id` says which document one file replaces.",
            next_step="Send one file with on_existing=replace, or leave document_id out.",
            field="document_id",
        )
    return form


def _field(kind: TypeAdapter[Field], fields: Mapping[str, str], name: str) -> Field | None:
    try:
        return kind.validate_python(fields[name]) if name in fields else None
    except ValidationError as error:
        value = "" if name == "password" else f" {fields[name][:50]!r}"
        raise InvalidRequest(f"{name}{value}: {error.errors()[0]['msg']}.", field=name) from None
