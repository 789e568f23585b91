"""The HTTP API with canned answers: what the interface is developed and tested against without weights.

Time does not pass in it: every second listing of the documents moves the ones being read one step on.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, Form, Request, UploadFile
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, ConfigDict

from tests.ui.canned import HANDBOOK_TEXT, canned_answer, marked_page

STEPS: list[dict[str, Any]] = [
    {"status": "queued", "progress": None},
    {"status": "processing", "progress": {"stage": "parse", "done": 2, "total": 6}},
    {
        "status": "processing",
        "progress": {
            "stage": "embed",
            "done": 11,
            "total": 19,
            "stages": [
                {"stage": "stored", "done": 1, "total": 1},
                {"stage": "parse", "done": 6, "total": 6},
                {"stage": "chunk", "done": 19, "total": 19},
                {"stage": "embed", "done": 11, "total": 19},
            ],
            "seconds_left": 12.3,
        },
    },
    {"status": "ready", "progress": None, "chunk_count": 19, "page_count": 6, "paged": True},
]
LISTINGS_A_STEP = 2
DAMAGED = {
    "code": "file_damaged",
    "stage": "parse",
    "cause": "The file is damaged: its cross-reference table cannot be read.",
    "next_step": "Open it in a viewer, save it again, and upload the new copy.",
}
CANCELLED = {
    "code": "cancelled",
    "stage": "embed",
    "cause": "You stopped the reading of this file.",
    "next_step": "Retry it, or delete it.",
}
EMPTY = {
    "code": "file_empty",
    "stage": "stored",
    "cause": "The file is empty.",
    "next_step": "Check the file and upload it again.",
    "details": {},
}
OVERLOADED = {
    "code": "overloaded",
    "stage": "request",
    "cause": "Too many questions are waiting.",
    "next_step": "Wait a few seconds and ask again.",
    "details": {},
}


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewCollection(Strict):
    name: str


class Question(Strict):
    question: str
    conversation_id: int | None = None
    collection_ids: list[int] | None = None
    document_ids: list[int] | None = None
    stream: bool = False


@dataclass
class FakeState:
    """Everything the fake remembers, open to tests."""

    collections: dict[int, str] = field(default_factory=lambda: {1: "Default"})
    documents: dict[int, dict[str, Any]] = field(default_factory=dict)
    conversations: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    cancelled: set[int] = field(default_factory=set)
    resume: threading.Event = field(default_factory=threading.Event)  # lets a "slow" answer go on
    requests: list[tuple[str, str]] = field(default_factory=list)
    next_id: int = 0

    def new_id(self) -> int:
        self.next_id += 1
        return self.next_id

    def add_document(self, file_name: str, size_bytes: int, collection_id: int) -> int:
        document_id = self.new_id()
        self.documents[document_id] = {
            "id": document_id, "collection_id": collection_id, "file_name": file_name, "media_type": None,
            "size_bytes": size_bytes, "sha256": "0" * 64, "version": 1, "step": 0, "page_count": None,
            "chunk_count": None, "paged": None, "report": None, "error": None,
            "created_at": "2026-03-12T09:00:00Z", "updated_at": "2026-03-12T09:00:00Z", **STEPS[0],
        }  # fmt: skip
        return document_id

    def advance(self, document: dict[str, Any]) -> None:
        if document["status"] in ("ready", "failed"):
            return
        document["step"] += 1
        step = min(document["step"] // LISTINGS_A_STEP, len(STEPS) - 1)
        document.update(STEPS[step])
        if step == 2 and "damaged" in document["file_name"]:
            document.update(status="failed", progress=None, error=DAMAGED)
        if document["status"] == "ready":
            document["report"] = {"language": "en", "pages_without_text": [], "warnings": []}


def create_fake(state: FakeState) -> FastAPI:
    """The fake service around a state."""
    app = FastAPI()

    @app.middleware("http")
    async def remember(request: Request, call_next: Any) -> Any:
        state.requests.append((request.method, request.url.path))
        return await call_next(request)

    add_collections_and_documents(app, state)
    add_questions(app, state)
    return app


def refused(status_code: int, code: str, cause: str) -> JSONResponse:
    body = {"code": code, "stage": "request", "cause": cause, "next_step": "Check the id.", "details": {}}
    return JSONResponse(body, status_code)


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

    @app.post("/v1/documents", status_code=202)
    def upload(files: list[UploadFile], collection_id: int = Form(1)) -> Any:
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
            elif any(each["file_name"] == file.filename for each in state.documents.values()):
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
    def retry(document_id: int) -> Any:
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
    def page_image(document_id: int, number: int, start: int, end: int, scale: float = 1.0) -> Any:
        if document_id not in state.documents:
            return refused(404, "document_not_found", f"There is no document {document_id}.")
        if not state.documents[document_id]["file_name"].endswith(".pdf"):
            return refused(404, "page_image_unavailable", "Only PDF pages have images.")
        return Response(marked_page(number, HANDBOOK_TEXT[start:end], scale), media_type="image/png")


def add_questions(app: FastAPI, state: FakeState) -> None:
    @app.post("/v1/search")
    def search(body: Question) -> Any:
        answer = canned_answer(body.question, 0, 0, 1)
        scores = {"dense": 0.61, "bm25": None, "fused": 0.0325}
        hits = [
            {key: each[key] for key in each if key != "score"}
            | {"scores": scores | {"rerank": each["score"]}}
            for each in found(answer)
        ]
        best = max((each["score"] for each in found(answer)), default=None)
        evidence = {"best": best, "threshold": 0.5, "enough": best is not None and best >= 0.5}
        timings = {"encode": 8.1, "dense": 0.4, "bm25": 1.2, "rerank": 96.0}
        return {"question": body.question, "hits": hits, "evidence": evidence, "timings_ms": timings}

    @app.post("/v1/ask")
    def ask(body: Question) -> Any:
        assert body.stream, "the interface always streams"
        if "too long" in body.question:
            return refused(413, "question_too_long", "The question has 300 tokens, 256 are allowed.")
        conversation_id = body.conversation_id or len(state.conversations) + 1
        turns = state.conversations.setdefault(conversation_id, [])
        message_id = state.new_id()
        document_id = next(reversed(state.documents), 99)
        answer = canned_answer(body.question, message_id, conversation_id, document_id)
        turns.append({**answer, "state": "pending", "answer": None, "citations": [], "refusal": None})
        return StreamingResponse(stream(state, turns, answer), media_type="text/event-stream")

    @app.post("/v1/messages/{message_id}/cancel", status_code=202)
    def cancel(message_id: int) -> Any:
        state.cancelled.add(message_id)
        state.resume.set()
        for turn in (turn for turns in state.conversations.values() for turn in turns):
            if turn["message_id"] == message_id and turn["state"] == "pending":
                turn.update(state="cancelled", answer="You")
        return {}

    @app.get("/v1/conversations")
    def list_conversations() -> Any:
        return {"items": [summary(id_, turns) for id_, turns in reversed(state.conversations.items())]}

    @app.get("/v1/conversations/{conversation_id}")
    def get_conversation(conversation_id: int) -> Any:
        if conversation_id not in state.conversations:
            return refused(404, "conversation_not_found", "There is no such conversation.")
        turns = state.conversations[conversation_id]
        return summary(conversation_id, turns) | {"messages": turns}

    @app.delete("/v1/conversations/{conversation_id}", status_code=204)
    def delete_conversation(conversation_id: int) -> Response:
        state.conversations.pop(conversation_id, None)
        return Response(status_code=204)


def found(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """Every passage of an answer, best first."""
    return sorted([*answer["sources"], *answer["also_retrieved"]], key=lambda each: -each["score"])


def summary(conversation_id: int, turns: list[dict[str, Any]]) -> dict[str, Any]:
    title = turns[0]["question"] if turns else "New"
    return {"id": conversation_id, "title": title, "created_at": None, "updated_at": "2026-03-12T09:00:00Z"}


def stream(state: FakeState, turns: list[dict[str, Any]], answer: dict[str, Any]) -> Iterator[str]:
    """The events of one answer in the order of the contract; stored before `done`, like the real service."""
    head = {key: answer[key] for key in ("message_id", "conversation_id", "question", "standalone_question")}
    yield event("question", head)
    evidence = {"best": 0.9, "threshold": 0.5, "enough": answer["state"] == "answered"}
    yield event("sources", {"sources": found(answer), "evidence": evidence})
    if "fail" in answer["question"]:
        turns[-1] = answer | {"state": "failed", "answer": None, "citations": []}
        yield event("error", OVERLOADED)
        return
    for word in (answer["answer"] or "").split(" "):
        yield event("token", {"text": word + " "})
        if "slow" in answer["question"]:
            state.resume.wait(20)
        if answer["message_id"] in state.cancelled:
            turns[-1] = answer | {"state": "cancelled", "answer": word, "citations": []}
            return
    turns[-1] = answer
    yield event("citations", {"answer": answer["answer"] or "", "citations": answer["citations"]})
    yield event("done", answer)


def event(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
