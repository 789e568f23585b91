"""The part of the fake API that answers: search, questions, conversations, feedback, links."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, ConfigDict

from tests.ui.canned import canned_answer
from tests.ui.fake_state import FakeState, refused

VALUES = {
    "dense_k": 50,
    "bm25_k": 50,
    "rrf_k": 60,
    "rerank_k": 24,
    "fused_weight": 100,
    "top_k": 5,
    "evidence_threshold": 0.5,
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


class Question(Strict):
    question: str
    conversation_id: int | None = None
    collection_ids: list[int] | None = None
    document_ids: list[int] | None = None
    standalone_question: str | None = None
    replaces_message_id: int | None = None
    weak_evidence: str = "refuse"
    config: dict[str, float] = {}
    configuration: str | None = None
    stream: bool = False


class Rating(Strict):
    rating: str
    comment: str | None = None


class FromMessage(Strict):
    message_id: int
    correction: str | None = None
    answerable: bool | None = None


class Named(Strict):
    name: str
    config: dict[str, float]


class Title(Strict):
    title: str


def add_questions(app: FastAPI, state: FakeState) -> None:
    add_search(app, state)
    add_answers(app, state)
    add_messages(app, state)
    add_conversations(app, state)
    add_links(app, state)


def add_search(app: FastAPI, state: FakeState) -> None:
    @app.get("/v1/configurations")
    def configurations() -> Any:
        items = [
            {"id": index, "name": name, "config": VALUES | config, "in_force": False}
            for index, (name, config) in enumerate(state.configurations.items(), start=1)
        ]
        return {"in_force": "settings", "settings": VALUES, "items": items}

    @app.post("/v1/configurations", status_code=201)
    def save(body: Named) -> Any:
        state.configurations[body.name] = body.config
        return {}

    @app.post("/v1/search")
    def search(body: Question) -> Any:
        state.configs.append(body.config)
        answer = canned_answer(body.question, 0, 0, 1)
        scores = {"dense": 0.61, "bm25": None, "fused": 0.0325}
        hits = [
            {key: each[key] for key in each if key != "score"}
            | {"scores": scores | {"rerank": each["score"]}}
            | {"ranks": {"dense": 3, "bm25": None, "fused": 2}, "matched": ["leave"]}
            for each in found(answer)
        ]
        best = max((each["score"] for each in found(answer)), default=None)
        evidence = {"best": best, "threshold": 0.5, "enough": best is not None and best >= 0.5}
        timings = {"encode": 8.1, "dense": 0.4, "bm25": 1.2, "rerank": 96.0}
        return {"question": body.question, "hits": hits, "evidence": evidence, "timings_ms": timings}


def add_answers(app: FastAPI, state: FakeState) -> None:
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
        answer["standalone_question"] = body.standalone_question or answer["standalone_question"]
        if body.weak_evidence == "answer" and answer["refusal"]:
            answer |= {"state": "answered", "answer": "Perhaps.", "refusal": None, "weak_evidence": True}
        if body.replaces_message_id:
            answer["replaces_message_id"] = body.replaces_message_id
            turns[:] = [turn for turn in turns if turn["message_id"] < body.replaces_message_id]
        turns.append({**answer, "state": "pending", "answer": None, "citations": [], "refusal": None})
        # a "lost" answer breaks off: more was promised than is sent
        headers = {"content-length": "100000"} if "lost" in body.question else None
        return StreamingResponse(
            stream(state, turns, answer), headers=headers, media_type="text/event-stream"
        )

    @app.get("/v1/messages/{message_id}/events")
    def listen(message_id: int) -> Any:
        return StreamingResponse(replay(state.turn(message_id)), media_type="text/event-stream")

    @app.post("/v1/messages/{message_id}/cancel", status_code=202)
    def cancel(message_id: int) -> Any:
        state.cancelled.add(message_id)
        state.resume.set()
        for turn in (turn for turns in state.conversations.values() for turn in turns):
            if turn["message_id"] == message_id and turn["state"] == "pending":
                turn.update(state="cancelled", answer="You")
        return {}


def add_messages(app: FastAPI, state: FakeState) -> None:
    @app.get("/v1/messages/{message_id}")
    def message(message_id: int) -> Any:
        return state.turn(message_id)

    @app.put("/v1/messages/{message_id}/feedback")
    def rate(message_id: int, body: Rating) -> Any:
        state.turn(message_id)["feedback"] = body.model_dump()
        return state.turn(message_id)

    @app.post("/v1/eval-cases/from-message", status_code=201)
    def from_message(body: FromMessage) -> Any:
        state.eval_cases.append(body.model_dump())
        return {"id": len(state.eval_cases)}

    @app.delete("/v1/messages/{message_id}/feedback", status_code=204)
    def unrate(message_id: int) -> Response:
        state.turn(message_id)["feedback"] = None
        return Response(status_code=204)


def add_conversations(app: FastAPI, state: FakeState) -> None:
    @app.get("/v1/conversations")
    def list_conversations(search: str = "") -> Any:
        found = [summary(state, id_) for id_ in reversed(state.conversations)]
        return {"items": [each for each in found if search.lower() in each["title"].lower()]}

    @app.get("/v1/conversations/{conversation_id}")
    def get_conversation(conversation_id: int) -> Any:
        if conversation_id not in state.conversations:
            return refused(404, "conversation_not_found", "There is no such conversation.")
        return summary(state, conversation_id) | {"messages": state.conversations[conversation_id]}

    @app.patch("/v1/conversations/{conversation_id}")
    def rename(conversation_id: int, body: Title) -> Any:
        state.titles[conversation_id] = body.title
        return summary(state, conversation_id)

    @app.delete("/v1/conversations/{conversation_id}", status_code=204)
    def delete_conversation(conversation_id: int) -> Response:
        state.conversations.pop(conversation_id, None)
        return Response(status_code=204)

    @app.get("/v1/conversations/{conversation_id}/export")
    def export(conversation_id: int, format: str = "markdown") -> Response:
        return Response(f"# {format} of {conversation_id}", media_type="text/markdown")


def add_links(app: FastAPI, state: FakeState) -> None:
    def link(conversation_id: int) -> dict[str, Any]:
        turns = state.conversations[conversation_id]
        token = state.links[conversation_id]
        return {"token": token, "last_message_id": turns[-1]["message_id"], "created_at": None}

    @app.post("/v1/conversations/{conversation_id}/share")
    def share(conversation_id: int) -> Any:
        state.links.setdefault(conversation_id, f"token-{conversation_id}")
        return link(conversation_id)

    @app.get("/v1/conversations/{conversation_id}/share")
    def find_share(conversation_id: int) -> Any:
        if conversation_id not in state.links:
            return refused(404, "share_not_found", "This conversation is not shared.")
        return link(conversation_id)

    @app.delete("/v1/conversations/{conversation_id}/share", status_code=204)
    def revoke(conversation_id: int) -> Response:
        state.links.pop(conversation_id, None)
        return Response(status_code=204)

    @app.get("/v1/shared/{token}")
    def shared(token: str) -> Any:
        found = next((id_ for id_, each in state.links.items() if each == token), None)
        if found is None:
            return refused(404, "share_not_found", "This link shows nothing.")
        hidden = {"message_id", "conversation_id", "refusal", "timings_ms", "tokens"}
        turns = [{name: turn[name] for name in turn.keys() - hidden} for turn in state.conversations[found]]
        return {"title": summary(state, found)["title"], "created_at": None, "messages": turns}


def summary(state: FakeState, conversation_id: int) -> dict[str, Any]:
    turns = state.conversations[conversation_id]
    title = state.titles.get(conversation_id) or (turns[0]["question"] if turns else "New")
    return {"id": conversation_id, "title": title, "created_at": None, "updated_at": "2026-03-12T09:00:00Z"}


def found(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """Every passage of an answer, best first."""
    return sorted([*answer["sources"], *answer["also_retrieved"]], key=lambda each: -each["score"])


def replay(turn: dict[str, Any]) -> Iterator[str]:
    """What somebody hears who listens to a pending answer again: its beginning, later its end."""
    yield event("question", head(turn))
    yield event("sources", {"sources": found(turn), "evidence": None})
    yield event("token", {"text": "You "})
    while turn["state"] == "pending":
        time.sleep(0.02)
    yield event("done", turn)


def head(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: answer[key] for key in ("message_id", "conversation_id", "question", "standalone_question")}


def stream(state: FakeState, turns: list[dict[str, Any]], answer: dict[str, Any]) -> Iterator[str]:
    """The events of one answer in the order of the contract; stored before `done`, like the real service."""
    yield event("question", head(answer))
    evidence = {"best": 0.9, "threshold": 0.5, "enough": answer["state"] == "answered"}
    yield event("sources", {"sources": found(answer), "evidence": evidence})
    if "fail" in answer["question"]:
        turns[-1] = answer | {"state": "failed", "answer": None, "citations": [], "error": OVERLOADED}
        yield event("error", OVERLOADED)
        return
    if "lost" in answer["question"]:
        turns[-1] = answer
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
