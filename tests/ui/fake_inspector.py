"""The part of the fake API that the Inspector reads: a trace, a replay and a weighing that can be held."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from tests.ui.canned import HOME, LEAVE
from tests.ui.fake_chat import event
from tests.ui.fake_state import FakeState

HELD_AT, TOKENS, PASSAGES = 12, 30, 2
STOPPED = {
    "code": "inspection_stopped",
    "stage": "request",
    "cause": "It was stopped.",
    "next_step": "Start it again.",
}


def trace(turn: dict[str, Any]) -> dict[str, Any]:
    scores = {"dense": 0.61, "bm25": 7.1, "fused": 0.0325, "rerank": 0.94}
    candidates = [
        {"rank": rank, "chunk_id": 100 + rank, "file_name": "employee-handbook.pdf", "page": 1 + rank,
         "text": text, "scores": scores, "carried": False, "in_prompt": True, "cited": rank == 1}
        for rank, text in enumerate((LEAVE, HOME), start=1)
    ]  # fmt: skip
    parts = [("preamble", "Answer from the passages.", 21), ("passage", LEAVE, 58), ("passage", HOME, 40)]
    stages = [("rewrite", 0.0, 2.0), ("search", 2.0, 118.0), ("pack", 120.0, 9.0), ("generate", 129.0, 760.0)]
    return {
        "message_id": turn["message_id"], "conversation_id": turn["conversation_id"],
        "question": turn["question"], "standalone_question": turn["question"], "answer": turn["answer"],
        "state": turn["state"], "created_at": "2026-03-12T09:00:00Z",
        "stages": [{"name": name, "start_ms": at, "ms": ms} for name, at, ms in stages],
        "runs": [{"parts": [{"kind": kind, "text": text, "tokens": n} for kind, text, n in parts],
                  "text": turn["answer"], "tokens": TOKENS, "mask": "full"}],
        "candidates": candidates, "caches": {"passage_hits": 2}, "models": {"decoder": "gemma3-270m@0123"},
        "arithmetic": {"decoder": "native"}, "template": "answerer", "withheld": [],
        "config": {"top_k": 5}, "replayable": True,
    }  # fmt: skip


def add_inspector(app: FastAPI, state: FakeState) -> None:
    @app.get("/v1/messages")
    def latest() -> Any:
        turns = [turn for turns in state.conversations.values() for turn in turns]
        return {"items": turns[::-1], "total": len(turns)}

    @app.get("/v1/messages/{message_id}/trace")
    def read(message_id: int) -> Any:
        return trace(state.turn(message_id))

    @app.post("/v1/messages/{message_id}/replay")
    def replay(message_id: int, stream: bool) -> Any:
        done = {
            "message_id": message_id, "identical": True, "generations": 1, "tokens": TOKENS,
            "difference": None, "changes": [], "text": "",
        }  # fmt: skip
        return told(state, "token", TOKENS, HELD_AT, done)

    @app.post("/v1/messages/{message_id}/influence")
    def weigh(message_id: int, stream: bool) -> Any:
        lost = [{"generation": 0, "number": n, "chunk_id": 100 + n, "lost": 1.2 / n} for n in (1, 2)]
        return told(state, "passage", PASSAGES, 1, {"message_id": message_id, "influences": lost})

    @app.post("/v1/messages/{message_id}/inspection/cancel", status_code=202)
    def cancel(message_id: int) -> Any:
        state.inspection_stopped = True
        return {"message_id": message_id, "state": "cancelling"}


def told(state: FakeState, stage: str, total: int, held_at: int, done: dict[str, Any]) -> StreamingResponse:
    """Goes up to `held_at` and, where the state holds it, waits there."""
    state.inspection_stopped = False

    def events() -> Iterator[str]:
        for number in range(total):
            yield event(
                "progress", {"stage": stage, "done": number, "total": total, "elapsed_s": number / 10}
            )
            while number == held_at and state.inspection_held and not state.inspection_stopped:
                time.sleep(0.02)
            if state.inspection_stopped:
                yield event("error", STOPPED)
                return
        yield event("done", done)

    return StreamingResponse(events(), media_type="text/event-stream")
