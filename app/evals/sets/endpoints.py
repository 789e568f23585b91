"""`/v1/eval-sets`: make, upload, change and export sets of questions."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from app.dependencies import AppServices, CurrentUser, ReadSession, WriteSession
from app.documents.multipart import ReceivedFile
from app.documents.receiving import receive_upload
from app.error_responses import error_responses
from app.errors import CollectionNotFound, Conflict, InvalidRequest, UploadTooLarge
from app.evals.cases import Case, CaseStatus
from app.evals.corpus_folders import remove_corpus_folders
from app.evals.records import EvalFileInvalid
from app.evals.runs.service import cancel_writing
from app.evals.sets import repository, service
from app.evals.sets.errors import EvalSetNotFound, EvalSetTooLarge
from app.evals.sets.exporting import as_jsonl
from app.evals.sets.reading import read_set
from app.evals.sets.schemas import CaseIn, CaseList, CaseOut, SetChange, SetCreate, SetList, SetOut
from app.evals.sets.types import ReadSet
from app.schemas import Name, RowId

router = APIRouter(prefix="/v1/eval-sets", tags=["evals"])

JSON_LINES = "application/x-ndjson"
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
                        "files": {"type": "array", "items": {"type": "string", "format": "binary"}}
                    },
                }
            }
        },
    }
}


@router.get("")
def list_all(session: ReadSession, user: CurrentUser) -> SetList:
    """Your sets, newest first."""
    return service.list_all(session, user)


@router.post("", status_code=201, responses=error_responses(Conflict, CollectionNotFound))
def create(body: SetCreate, session: WriteSession, user: CurrentUser) -> SetOut:
    """An empty set to write questions into."""
    return service.out(session, service.create(session, user, body.name, body.collection_id))


@router.post(
    "/upload",
    status_code=201,
    openapi_extra=UPLOAD_BODY,
    responses=error_responses(Conflict, CollectionNotFound, EvalFileInvalid, EvalSetTooLarge, UploadTooLarge),
)
async def upload(
    request: Request,
    services: AppServices,
    user: CurrentUser,
    name: Name,
    collection_id: Annotated[int | None, Query(ge=1)] = None,
) -> SetOut:
    """A set from one file (our JSON lines, CSV, SQuAD) or from a BEIR corpus, queries and qrels."""
    async with receive_upload(request, services) as received:
        read = await run_in_threadpool(_read, received.files)

    def store() -> SetOut:
        with services.sessions.begin() as session:
            return service.out(session, service.create_read(session, user, name, collection_id, read))

    return await run_in_threadpool(store)


@router.get("/{set_id}", responses=error_responses(EvalSetNotFound))
def read(set_id: RowId, session: ReadSession, user: CurrentUser) -> SetOut:
    """One set with its counts."""
    return service.out(session, service.require(session, user, set_id))


@router.patch("/{set_id}", responses=error_responses(EvalSetNotFound, Conflict, CollectionNotFound))
def change(set_id: RowId, body: SetChange, session: WriteSession, user: CurrentUser) -> SetOut:
    """Another name, or another collection to ask."""
    return service.out(session, service.change(session, user, set_id, body))


@router.delete("/{set_id}", status_code=204, responses=error_responses(EvalSetNotFound))
def delete(set_id: RowId, services: AppServices, user: CurrentUser) -> None:
    """Removes the set with its questions; its runs keep their results, those that write questions stop."""
    with services.sessions.begin() as session:
        row = service.require(session, user, set_id)
        cancel_writing(session, user, row.id)
        repository.delete_set(session, row)
    remove_corpus_folders(services.settings, set_id)


@router.get("/{set_id}/cases", responses=error_responses(EvalSetNotFound))
def list_cases(
    set_id: RowId,
    session: ReadSession,
    user: CurrentUser,
    status: CaseStatus | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> CaseList:
    """Questions in the order of their entry."""
    return service.cases(session, user, set_id, status, limit, offset)


@router.post(
    "/{set_id}/cases", status_code=201, responses=error_responses(EvalSetNotFound, Conflict, EvalSetTooLarge)
)
def add_case(set_id: RowId, body: CaseIn, session: WriteSession, user: CurrentUser) -> CaseOut:
    """A question written by hand."""
    return service.add_case(session, user, set_id, body)


@router.get(
    "/{set_id}/export",
    response_class=Response,
    responses={
        **error_responses(EvalSetNotFound),
        200: {"content": {JSON_LINES: {}}, "description": "A file."},
    },
)
def export(set_id: RowId, session: ReadSession, user: CurrentUser) -> Response:
    """Every question as JSON lines; corpora are not part of it."""
    row = service.require(session, user, set_id)
    rows, _ = repository.list_cases(session, row.id, status=None, limit=service.MAX_CASES, offset=0)
    text = as_jsonl([Case.model_validate(each) for each in rows])
    return Response(text, media_type=JSON_LINES)


def _read(files: list[ReceivedFile]) -> ReadSet:
    """The set in the uploaded files, which get their own names back: these tell the form."""
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for file in files:
            if file.staged is None:
                raise file.error or InvalidRequest("The file did not arrive.")
            path = Path(folder) / Path(file.file_name).name
            if path.exists():
                raise InvalidRequest(f"Two files are called {path.name}.", field="files")
            path.symlink_to(file.staged.path.absolute())
            paths.append(path)
        return read_set(paths)
