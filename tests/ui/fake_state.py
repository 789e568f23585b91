"""What the fake API remembers, open to tests."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from fastapi.responses import JSONResponse

from tests.ui.canned import eval_questions

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
ENCRYPTED = {
    "code": "file_encrypted",
    "stage": "parse",
    "cause": "The file is protected with a password.",
    "next_step": "Retry a PDF with its password.",
}
CANCELLED = {
    "code": "cancelled",
    "stage": "embed",
    "cause": "You stopped the reading of this file.",
    "next_step": "Retry it, or delete it.",
}


@dataclass
class FakeState:
    """Everything the fake remembers, open to tests."""

    collections: dict[int, str] = field(default_factory=lambda: {1: "Default"})
    documents: dict[int, dict[str, Any]] = field(default_factory=dict)
    conversations: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    titles: dict[int, str] = field(default_factory=dict)
    links: dict[int, str] = field(default_factory=dict)  # tokens by conversation
    eval_cases: list[dict[str, Any]] = field(default_factory=list)  # made of answers
    cases: list[dict[str, Any]] = field(default_factory=eval_questions)  # of the set that there is
    generated: list[int] = field(default_factory=list)  # passages that were to be asked about
    calibrated: list[dict[str, Any]] = field(default_factory=list)
    configurations: dict[str, dict[str, float]] = field(default_factory=dict)
    configs: list[dict[str, float]] = field(default_factory=list)  # of every search
    judges: list[dict[str, str]] = field(default_factory=list)
    gates: dict[int, tuple[float | None, float | None]] = field(default_factory=dict)
    urls: list[tuple[str, int, int]] = field(default_factory=list)  # read: address, depth, pages
    reads: dict[int, dict[str, Any]] = field(default_factory=dict)  # of sites
    reads_held: bool = False  # they stand where they are
    passwords: dict[int, str] = field(default_factory=dict)  # given with a retry, by document
    cancelled: set[int] = field(default_factory=set)
    resume: threading.Event = field(default_factory=threading.Event)  # lets a "slow" answer go on
    inspection_held: bool = False  # a replay and a weighing wait half-way
    inspection_stopped: bool = False
    requests: list[tuple[str, str]] = field(default_factory=list)
    next_id: int = 0

    def new_id(self) -> int:
        self.next_id += 1
        return self.next_id

    def turn(self, message_id: int) -> dict[str, Any]:
        turns = (turn for turns in self.conversations.values() for turn in turns)
        return next(turn for turn in turns if turn["message_id"] == message_id)

    def add_document(self, file_name: str, size_bytes: int, collection_id: int) -> int:
        document_id = self.new_id()
        self.documents[document_id] = {
            "id": document_id, "collection_id": collection_id, "file_name": file_name, "media_type": None,
            "size_bytes": size_bytes, "sha256": "0" * 64, "version": 1, "ready_version": None, "step": 0,
            "page_count": None,
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
            document["ready_version"] = document["version"]
            document["report"] = {"language": "en", "pages_without_text": [], "warnings": []}


def refused(status_code: int, code: str, cause: str) -> JSONResponse:
    body = {"code": code, "stage": "request", "cause": cause, "next_step": "Check the id.", "details": {}}
    return JSONResponse(body, status_code)
