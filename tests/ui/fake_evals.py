"""The part of the fake API that the Evals page reads: one set, two finished runs, their comparison."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from tests.ui.fake_state import FakeState


def interval(value: float | None, n: int = 40) -> dict[str, Any]:
    near = 0.0 if value is None else value
    return {"value": value, "low": max(0.0, near - 0.12), "high": min(1.0, near + 0.1), "n": n}


MEASURES = {
    "exact_match": 0.62,
    "f1": 0.74,
    "citation_precision": 0.95,
    "citation_recall": 0.9,
    "grounded_claims": 0.88,
    "false_answers": 0.18,
    "false_refusals": 0.07,
}


def run(run_id: int, shift: float = 0.0) -> dict[str, Any]:
    return {
        "id": run_id, "kind": "answers", "name": "Handbook questions", "status": "done", "set_id": 1,
        "done": 40, "total": 40, "config": {}, "error": None, "created_at": "2026-11-24T05:00:00Z",
        "metrics": {
            **{name: interval(value + shift) for name, value in MEASURES.items()},
            "seconds_per_question": {"value": 0.61, "low": 0.55, "high": 0.7, "n": 40},
        },
    }  # fmt: skip


def difference(before: float, now: float) -> dict[str, Any]:
    return {
        "baseline": before, "candidate": now, "p": 0.21, "test": "permutation",
        "delta": {"value": now - before, "low": -0.02, "high": 0.1, "n": 40},
        "significant": False, "better": True,
    }  # fmt: skip


def result(answer: str, score: float) -> dict[str, Any]:
    return {"outcome": "scored", "scores": {"f1": score}, "detail": {"answer": answer}}


def add_evals(app: FastAPI, state: FakeState) -> None:
    @app.get("/v1/eval-sets")
    def sets() -> Any:
        return {
            "items": [
                {"id": 1, "name": "Handbook questions", "collection_id": None, "ready": 40, "review": 2}
            ]
        }

    @app.get("/v1/eval-sets/{set_id}/cases")
    def cases(set_id: int, status: str | None = None) -> Any:
        return {"items": [each for each in state.cases if status in (None, each["status"])], "total": 2}

    @app.get("/v1/eval-cases/{case_id}")
    def case(case_id: int) -> Any:
        unsaid = {"key": f"q{case_id}", "history": [], "passages": None, "tags": []}
        return unsaid | next(each for each in state.cases if each["id"] == case_id)

    @app.put("/v1/eval-cases/{case_id}")
    def change(case_id: int, body: dict[str, Any]) -> Any:
        state.cases[case_id - 1].update(body, notes=[])
        return state.cases[case_id - 1]

    @app.get("/v1/evals/judges")
    def judges() -> Any:
        return {"items": state.judges}

    @app.post("/v1/eval-sets/{set_id}/generate", status_code=202)
    def generate(set_id: int, body: dict[str, int]) -> Any:
        state.generated.append(body["passages"])
        return run(3) | {"kind": "generate"}

    @app.get("/v1/evals")
    def runs() -> Any:
        return {"items": [run(2), run(1, -0.04)]}

    @app.get("/v1/evals/{run_id}/results")
    def results(run_id: int, outcome: str | None = None) -> Any:
        found = [{"question": "How many days of leave are there?", **result("28 days", 1.0)}]
        return {"items": found if outcome is None else [], "total": 0 if outcome else 1}

    @app.get("/v1/evals/{run_id}/compare")
    def compare(run_id: int, baseline: int) -> Any:
        return {
            "questions": 40, "only_in_one": 0, "changed_config": {},
            "measures": {name: difference(value - 0.04, value) for name, value in MEASURES.items()},
            "cases": [
                {"question": "How many days of leave are there?", "change": "better",
                 "baseline": result("30 days", 0.5), "candidate": result("28 days", 1.0)}
            ],
        }  # fmt: skip
