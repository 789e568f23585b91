"""The eval part of the service's HTTP API as typed methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, Any

import httpx

from ui.eval_schemas import Comparison, EvalCase, EvalRun, EvalSet, RunKind

Send = Callable[..., httpx.Response]
"""Method, path and options of a request; raises ApiError."""

CASES_SHOWN = 200


class Evals:
    """Sets, questions, runs and comparisons."""

    def __init__(self, send: Send) -> None:
        self._send = send

    def sets(self) -> list[EvalSet]:
        return [EvalSet.model_validate(each) for each in self._send("GET", "/v1/eval-sets").json()["items"]]

    def upload(self, name: str, file_name: str, content: IO[bytes], collection_id: int | None) -> EvalSet:
        """A set from JSON lines, CSV, SQuAD or BEIR files; the service says which line is wrong."""
        asked = {"name": name} | ({} if collection_id is None else {"collection_id": str(collection_id)})
        files = {"files": (file_name, content)}
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

    def cases(self, set_id: int) -> list[EvalCase]:
        """The first questions of a set."""
        found = self._send("GET", f"/v1/eval-sets/{set_id}/cases", params={"limit": CASES_SHOWN}).json()
        return [EvalCase.model_validate(each) for each in found["items"]]

    def add_case(self, set_id: int, question: str, answers: list[str], answerable: bool) -> None:
        body = {"question": question, "answers": answers, "answerable": answerable}
        self._send("POST", f"/v1/eval-sets/{set_id}/cases", json=body)

    def accept_case(self, case: EvalCase) -> None:
        """A question that waited for a person counts from now on."""
        whole: dict[str, Any] = self._send("GET", f"/v1/eval-cases/{case.id}").json()
        names = ("key", "question", "history", "answers", "answerable", "gold", "passages", "tags")
        body = {name: whole[name] for name in names} | {"status": "ready"}
        self._send("PUT", f"/v1/eval-cases/{case.id}", json=body)

    def delete_case(self, case_id: int) -> None:
        self._send("DELETE", f"/v1/eval-cases/{case_id}")

    def runs(self) -> list[EvalRun]:
        """Latest first."""
        found = self._send("GET", "/v1/evals", params={"limit": 100}).json()["items"]
        return [EvalRun.model_validate(each) for each in found]

    def start(self, set_id: int, kind: RunKind, configuration: str | None) -> EvalRun:
        body = {"set_id": set_id, "kind": kind, "configuration": configuration}
        return EvalRun.model_validate(self._send("POST", "/v1/evals", json=body).json())

    def cancel(self, run_id: int) -> None:
        self._send("POST", f"/v1/evals/{run_id}/cancel")

    def resume(self, run_id: int) -> None:
        self._send("POST", f"/v1/evals/{run_id}/resume")

    def compare(self, run_id: int, baseline: int) -> Comparison:
        found = self._send("GET", f"/v1/evals/{run_id}/compare", params={"baseline": baseline})
        return Comparison.model_validate(found.json())
