"""The HTTP API with canned answers: what the interface is developed and tested against without weights.

Time does not pass in it: every second listing of the documents moves the ones being read one step on.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Form, Request, UploadFile
from fastapi.responses import Response

from tests.ui.canned import HANDBOOK_TEXT, marked_page
from tests.ui.fake_chat import Strict, add_questions
from tests.ui.fake_evals import add_evals
from tests.ui.fake_inspector import add_inspector
from tests.ui.fake_overview import add_overview
from tests.ui.fake_sites import add_sites
from tests.ui.fake_state import CANCELLED, STEPS, FakeState, refused

EMPTY = {
    "code": "file_empty",
    "stage": "stored",
    "cause": "The file is empty.",
    "next_step": "Check the file and upload it again.",
    "details": {},
}


class FilesToCheck(Strict):
    collection_id: int
    files: list[dict[str, str]]


class Retry(Strict):
    password: str


class NewCollection(Strict):
    name: str


def create_fake(state: FakeState) -> FastAPI:
    """The fake service around a state."""
    app = FastAPI()

    @app.middleware("http")
    async def remember(request: Request, call_next: Any) -> Any:
        state.requests.append((request.method, request.url.path))
        return await call_next(request)

    add_collections_and_documents(app, state)
    add_sites(app, state)
    add_questions(app, state)
    add_overview(app, state)
    add_evals(app, state)
    add_inspector(app, state)
    return app


def add_collections_and_documents(app: FastAPI, state: FakeState) -> None:
    @app.get("/v1/collections")
    def list_collections() -> Any:
        counts = [each["collection_id"] for each in state.documents.values()]
        return {
            "items": [
                {"id": id_, "name": name, "created_at": None, "document_count": counts.count(id_)}
                for id_, name in state.collections.items()
            ]
        }

    @app.post("/v1/collections", status_code=201)
    def create_collection(body: NewCollection) -> Any:
        if body.name in state.collections.values():
            return refused(409, "conflict", f"There is a collection called {body.name} already.")
        id_ = max(state.collections) + 1
        state.collections[id_] = body.name
        return {"id": id_, "name": body.name, "created_at": "2026-03-12T09:00:00Z", "document_count": 0}

    @app.delete("/v1/collections/{collection_id}", status_code=204)
    def delete_collection(collection_id: int) -> Response:
        del state.collections[collection_id]
        for document in list(state.documents.values()):
            if document["collection_id"] == collection_id:
                del state.documents[document["id"]]
        return Response(status_code=204)

    @app.post("/v1/documents/check")
    def check(body: FilesToCheck) -> Any:
        """By name alone: the fake keeps no bytes."""
        if body.collection_id not in state.collections:
            return no_collection(body.collection_id)
        by_name = {each["file_name"]: each for each in state.documents.values()}
        return {"files": [checked(file, by_name.get(file["file_name"])) for file in body.files]}

    @app.get("/v1/documents/{document_id}/versions")
    def versions(document_id: int) -> Any:
        newest = state.documents[document_id]["version"]
        return {"items": [version(state.documents[document_id], n) for n in range(newest, 0, -1)]}

    @app.delete("/v1/documents/{document_id}/versions/pending")
    def drop_version(document_id: int) -> Any:
        document = state.documents[document_id]
        document.update(version=document["ready_version"], error=None, **STEPS[3])
        return document

    @app.post("/v1/documents", status_code=202)
    def upload(
        files: list[UploadFile],
        collection_id: int = Form(1),
        on_existing: str = Form("skip"),
        document_id: int | None = Form(None),
    ) -> Any:
        if collection_id not in state.collections:
            return no_collection(collection_id)
        outcomes: list[dict[str, Any]] = []
        for file in files:
            size = len(file.file.read())
            outcome: dict[str, Any] = {
                "file_name": file.filename,
                "document_id": None,
                "job_id": None,
                "error": None,
            }
            if not size:
                outcome |= {"status": "rejected", "error": EMPTY}
            elif document_id is not None:
                document = state.documents[document_id]
                document.update(version=document["version"] + 1, step=0, **STEPS[0])
                outcome |= {"status": "queued", "document_id": document_id, "job_id": state.new_id()}
            elif on_existing == "skip" and any(
                each["file_name"] == file.filename for each in state.documents.values()
            ):
                outcome |= {"status": "duplicate"}
            else:
                id_ = state.add_document(str(file.filename), size, collection_id)
                outcome |= {"status": "queued", "document_id": id_, "job_id": id_}
            outcomes.append(outcome)
        return {"documents": outcomes}

    @app.get("/v1/documents")
    def list_documents(
        collection_id: int | None = None, status: str | None = None, limit: int = 50, offset: int = 0
    ) -> Any:
        for each in state.documents.values():
            state.advance(each)
        found = [
            each
            for each in reversed(state.documents.values())
            if collection_id in (None, each["collection_id"]) and status in (None, each["status"])
        ]
        return {"items": found[offset : offset + limit], "total": len(found)}

    @app.delete("/v1/documents/{document_id}", status_code=204)
    def delete_document(document_id: int) -> Response:
        if state.documents.pop(document_id, None) is None:
            return refused(404, "document_not_found", f"There is no document {document_id}.")
        return Response(status_code=204)

    @app.post("/v1/documents/{document_id}/retry", status_code=202)
    def retry(document_id: int, body: Retry | None = None) -> Any:
        if body is not None:
            state.passwords[document_id] = body.password
        state.documents[document_id].update(step=0, error=None, file_name="repaired.pdf", **STEPS[0])
        return {"document_id": document_id, "job_id": state.new_id()}

    @app.post("/v1/documents/{document_id}/cancel")
    def cancel(document_id: int) -> Any:
        state.documents[document_id].update(status="failed", progress=None, error=CANCELLED)
        return {"document_id": document_id, "cancelled": True}

    @app.get("/v1/documents/{document_id}/file")
    def original(document_id: int) -> Any:
        return Response(b"the original", media_type="application/octet-stream")

    @app.get("/v1/documents/{document_id}/pages/{number}/image")
    def page_image(
        document_id: int, number: int, start: int, end: int, version: int = 1, scale: float = 1.0
    ) -> Any:
        if document_id not in state.documents:
            return refused(404, "document_not_found", f"There is no document {document_id}.")
        if not state.documents[document_id]["file_name"].endswith(".pdf"):
            return refused(404, "page_image_unavailable", "Only PDF pages have images.")
        return Response(marked_page(number, HANDBOOK_TEXT[start:end], scale), media_type="image/png")


def no_collection(collection_id: int) -> Response:
    return refused(404, "collection_not_found", f"There is no collection {collection_id}.")


def checked(file: dict[str, str], known: dict[str, Any] | None) -> dict[str, Any]:
    """A name that begins with "changed" stands for other bytes."""
    match = "same_name" if file["file_name"].startswith("changed") else "same_bytes"
    return {
        "file_name": file["file_name"],
        "match": "none" if known is None else match,
        "document_id": known and known["id"],
        "document_name": known and known["file_name"],
        "version": known and known["version"],
        "status": known and known["status"],
    }


def version(document: dict[str, Any], number: int) -> dict[str, Any]:
    ready = document["ready_version"]
    state = "current" if number == ready else "pending" if number > (ready or 0) else "replaced"
    return {
        "number": number, "state": state, "file_name": document["file_name"], "sha256": "0" * 64,
        "size_bytes": document["size_bytes"], "media_type": None, "page_count": None,
        "created_at": "2026-03-12T09:00:00Z", "ready_at": None,
        "replaced_at": "2026-03-14T09:00:00Z" if state == "replaced" else None, "purged_at": None,
    }  # fmt: skip
