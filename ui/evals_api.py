"""The eval part of the service's HTTP API as typed methods."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import IO, Any

import httpx

from ui.eval_schemas import CaseResult, Comparison, EvalCase, EvalRun, EvalSet, Judge, RunKind

Send = Callable[..., httpx.Response]
"""Method, path and options of a request; raises ApiError."""


class Evals:
    """Sets, questions, runs and comparisons."""

    def __init__(self, send: Send) -> None:
        self._send = send

    def sets(self) -> list[EvalSet]:
        return [EvalSet.model_validate(each) for each in self._send("GET", "/v1/eval-sets").json()["items"]]

    def upload(
        self, name: str, contents: Sequence[tuple[str, IO[bytes]]], collection_id: int | None
    ) -> EvalSet:
        """A set from JSON lines, CSV, SQuAD or BEIR files; the service says which line is wrong."""
        asked = {"name": name} | ({} if collection_id is None else {"collection_id": str(collection_id)})
        files = [("files", each) for each in contents]
        return EvalSet.model_validate(
            self._send("POST", "/v1/eval-sets/upload", params=asked, files=files).json()
        )

    def create(self, name: str, collection_id: int | None) -> EvalSet:
        body = {"name": name, "collection_id": collection_id}
        return EvalSet.model_validate(self._send("POST", "/v1/eval-sets", json=body).json())

    def delete_set(self, set_id: int) -> None:
        self._send("DELETE", f"/v1/eval-sets/{set_id}")

    def export(self, set_id: int) -> str:
        """The questions as JSON lines."""
        return self._send("GET", f"/v1/eval-sets/{set_id}/export").text

    def generate(self, set_id: int, passages: int) -> EvalRun:
        """Has questions written about that many passages; they wait for review."""
        found = self._send("POST", f"/v1/eval-sets/{set_id}/generate", json={"passages": passages})
        return EvalRun.model_validate(found.json())

    def cases(
        self, set_id: int, status: str | None = None, limit: int = 50, offset: int = 0
    ) -> tuple[list[EvalCase], int]:
        """One page of the questions of a set, and how many there are."""
        params = {"limit": limit, "offset": offset} | ({} if status is None else {"status": status})
        found = self._send("GET", f"/v1/eval-sets/{set_id}/cases", params=params).json()
        return [EvalCase.model_validate(each) for each in found["items"]], found["total"]

    def add_case(self, set_id: int, question: str, answers: list[str], answerable: bool) -> None:
        body = {"question": question, "answers": answers, "answerable": answerable}
        self._send("POST", f"/v1/eval-sets/{set_id}/cases", json=body)

    def change_case(self, case_id: int, **values: Any) -> None:
        """These values in place of the question's own; the rest stays. `status="ready"` ends a review."""
        whole: dict[str, Any] = self._send("GET", f"/v1/eval-cases/{case_id}").json()
        names = ("key", "question", "history", "answers", "answerable", "gold", "passages", "tags", "status")
        body = {name: whole[name] for name in names} | values
        self._send("PUT", f"/v1/eval-cases/{case_id}", json=body)

    def delete_case(self, case_id: int) -> None:
        self._send("DELETE", f"/v1/eval-cases/{case_id}")

    def runs(self) -> list[EvalRun]:
        """Latest first."""
        found = self._send("GET", "/v1/evals", params={"limit": 100}).json()["items"]
        return [EvalRun.model_validate(each) for each in found]

    def judges(self) -> list[Judge]:
        """The configured judge; empty where there is none."""
        return [Judge.model_validate(each) for each in self._send("GET", "/v1/evals/judges").json()["items"]]

    def start(
        self, set_id: int, kind: RunKind, configuration: str | None, judge: str | None = None
    ) -> EvalRun:
        body = {"set_id": set_id, "kind": kind, "configuration": configuration}
        if judge is not None:
            body["judge"] = judge
        return EvalRun.model_validate(self._send("POST", "/v1/evals", json=body).json())

    def cancel(self, run_id: int) -> None:
        self._send("POST", f"/v1/evals/{run_id}/cancel")

    def resume(self, run_id: int) -> None:
        self._send("POST", f"/v1/evals/{run_id}/resume")

    def delete_run(self, run_id: int) -> None:
        self._send("DELETE", f"/v1/evals/{run_id}")

    def results(
        self, run_id: int, outcome: str | None, limit: int, offset: int
    ) -> tuple[list[CaseResult], int]:
        """One page of what came back, and how many questions there are."""
        params = {"limit": limit, "offset": offset} | ({} if outcome is None else {"outcome": outcome})
        found = self._send("GET", f"/v1/evals/{run_id}/results", params=params).json()
        return [CaseResult.model_validate(each) for each in found["items"]], found["total"]

    def compare(self, run_id: int, baseline: int) -> Comparison:
        found = self._send("GET", f"/v1/evals/{run_id}/compare", params={"baseline": baseline})
        return Comparison.model_validate(found.json())
