"""Health, metrics, OpenAPI, errors that no endpoint raises itself, and the start of the service."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import TypeAdapter
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from app.data_folders import adopt_older_folders, index_folder, passage_folder
from app.documents import index_follower
from app.documents.local import ingest_paths
from app.error_handlers import install_error_handlers
from app.errors import ErrorBody, Overloaded
from app.main import create_app
from app.services import Services
from app.settings import Settings
from app.tables import EncoderRow, Job, VectorRow, utc_now
from retrieval.index_store import IndexStore
from tests.conftest import client_of
from tests.fakes import DIMENSION

PATIENCE_S = 30.0

Build = Callable[[Settings], Services]


def until_ready(client: TestClient, status_code: int = 200) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE_S
    while (response := client.get("/readyz")).status_code != status_code:
        assert time.monotonic() < deadline, response.json()
        time.sleep(0.02)
    body: dict[str, Any] = response.json()
    return body


def ingest_one(services: Services, tmp_path: Path) -> None:
    (tmp_path / "leave.md").write_text("Everyone has 28 days of leave.")
    ingest_paths(services, [tmp_path / "leave.md"], "Default", lambda _: None)


def snapshots(settings: Settings) -> list[Path]:
    return list((settings.data_dir / "index").rglob("manifest.json"))


class TestHealth:
    def test_a_living_process_says_so(self, client: TestClient) -> None:
        assert client.get("/healthz").json() == {"status": "ok"}

    def test_a_ready_service_shows_its_parts(self, client: TestClient) -> None:
        body = until_ready(client)
        assert body["status"] == "ready"
        assert {name: part["status"] for name, part in body["parts"].items()} == {
            "database": "ok",
            "index": "ok",
            "models": "ok",
            "worker": "ok",
        }

    def test_another_encoder_is_a_clear_start_error(
        self, client: TestClient, settings: Settings, build: Build, services: Services, tmp_path: Path
    ) -> None:
        ingest_one(services, tmp_path)
        with services.sessions.begin() as session:
            session.execute(update(EncoderRow).values(id="old-encoder"))
            session.execute(update(VectorRow).values(encoder_id="old-encoder"))
        with client_of(create_app(settings, build)) as restarted:
            deadline = time.monotonic() + PATIENCE_S
            while (index := restarted.get("/readyz").json()["parts"]["index"])["status"] == "starting":
                assert time.monotonic() < deadline
                time.sleep(0.02)
            assert index["problem"]["code"] == "encoder_mismatch"
            assert "old-encoder" in index["problem"]["cause"]
            assert "FOOTNOTE_ENCODER" in index["problem"]["next_step"]
            assert restarted.get("/readyz").status_code == 503
            assert restarted.get("/healthz").status_code == 200

    def test_jobs_that_nobody_takes_are_pointed_out(self, client: TestClient) -> None:
        client.post("/v1/documents", files=[("files", ("a.txt", b"alpha"))])
        services: Services = client.app.state.services  # type: ignore[attr-defined]
        with services.sessions.begin() as session:
            session.execute(update(Job).values(run_after=utc_now().replace(year=2020)))
        worker = until_ready(client)["parts"]["worker"]
        assert (worker["status"], worker["problem"]["code"]) == ("waiting", "worker_absent")


class TestIndexFollower:
    def test_the_index_follows_without_questions_and_is_saved_at_the_end(
        self, settings: Settings, build: Build, tmp_path: Path
    ) -> None:
        with client_of(create_app(settings, build)) as client:
            services: Services = client.app.state.services  # type: ignore[attr-defined]
            ingest_one(services, tmp_path)
            deadline = time.monotonic() + PATIENCE_S
            while services.index.last_change_id == 0 and time.monotonic() < deadline:
                time.sleep(0.02)
            until_ready(client)
        with IndexStore.open(index_folder(settings), encoder_id="hash-64", dimension=DIMENSION) as index:
            assert (index.opened_from, index.last_change_id) == ("snapshot", 1)

    def test_many_changes_are_saved_at_once(
        self, services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(index_follower, "SAVE_AFTER_CHANGES", 1)
        ingest_one(services, tmp_path)
        follower = index_follower.IndexFollower(services)
        follower._round()
        assert snapshots(services.settings)

    def test_few_changes_are_saved_when_it_is_quiet(
        self, services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(index_follower, "SAVE_AFTER_QUIET_ROUNDS", 2)
        ingest_one(services, tmp_path)
        follower = index_follower.IndexFollower(services)
        for _ in range(2):
            follower._round()
        assert not snapshots(services.settings)
        follower._round()
        assert snapshots(services.settings)

    def test_an_index_that_fails_makes_the_service_unready_until_it_recovers(
        self, services: Services, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: object, **__: object) -> int:
            raise OSError(28, "No space left on device")

        follower = index_follower.IndexFollower(services)
        with monkeypatch.context() as patch:
            patch.setattr(index_follower, "catch_up", broken)
            follower._round()
        assert follower.problem is not None
        assert (follower.state, follower.problem.code) == ("failed", "index_unavailable")
        follower._round()
        assert (follower.state, follower.problem) == ("ready", None)


def test_indexes_are_found_again_in_a_moved_folder_and_under_a_new_password(tmp_path: Path) -> None:
    def digest(**values: Any) -> str:
        return index_folder(Settings(**values)).name

    here, there = tmp_path / "here", tmp_path / "there"
    assert digest(data_dir=here) == digest(data_dir=there)
    server = "postgresql://footnote:{}@host/{}"
    first, other, third = (
        digest(data_dir=here, database_url=server.format(*each))
        for each in (("old", "one"), ("new", "one"), ("old", "two"))
    )
    assert first == other
    assert len({digest(data_dir=here), first, third}) == 3


class TestFoldersNamedByAnEarlierVersion:
    """It took the whole address of the database, the data folder's path and the password in it."""

    @staticmethod
    def older(settings: Settings, kind: str) -> Path:
        name = hashlib.sha256(settings.resolved_database_url.encode()).hexdigest()[:12]
        folder = settings.data_dir / kind / name
        folder.mkdir(parents=True)
        (folder / "kept").write_text(kind)
        return folder

    def test_they_get_their_present_names(self, settings: Settings) -> None:
        left = [self.older(settings, "index"), self.older(settings, "passages")]
        adopt_older_folders(settings)
        assert (index_folder(settings) / "kept").read_text() == "index"
        assert (passage_folder(settings) / "kept").read_text() == "passages"
        assert not any(folder.exists() for folder in left)

    def test_they_go_where_there_is_a_present_one(self, settings: Settings) -> None:
        left = self.older(settings, "passages")
        passage_folder(settings).mkdir(parents=True)
        adopt_older_folders(settings)
        assert not left.exists()
        assert not list(passage_folder(settings).iterdir())

    def test_a_name_that_did_not_change_stays(self, settings: Settings) -> None:
        named = settings.model_copy(update={"database_url": f"sqlite:///{settings.data_dir / 'other.db'}"})
        folder = self.older(named, "index")
        adopt_older_folders(named)
        assert folder == index_folder(named)
        assert (folder / "kept").is_file()


class TestMetrics:
    def test_requests_documents_jobs_and_index_are_counted(self, client: TestClient, tmp_path: Path) -> None:
        services: Services = client.app.state.services  # type: ignore[attr-defined]
        ingest_one(services, tmp_path)
        client.get("/v1/documents/1")
        client.get("/v1/documents/2")
        client.get("/nowhere")
        text = client.get("/metrics").text
        for line in (
            'footnote_http_requests_total{method="GET",route="/v1/documents/{document_id}",status="200"} 1.0',
            'footnote_http_requests_total{method="GET",route="/v1/documents/{document_id}",status="404"} 1.0',
            'footnote_http_requests_total{method="GET",route="unmatched",status="404"} 1.0',
            'footnote_http_request_seconds_count{method="GET",route="/v1/documents/{document_id}"} 2.0',
            'footnote_documents{status="ready"} 1.0',
            'footnote_jobs{status="done"} 1.0',
        ):
            assert line in text
        assert 'footnote_index_chunks{index="dense"}' in text


class TestOpenApi:
    @pytest.fixture
    def document(self, client: TestClient) -> dict[str, Any]:
        body: dict[str, Any] = client.get("/openapi.json").json()
        return body

    def test_every_error_response_is_an_error_body(self, document: dict[str, Any]) -> None:
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                assert "422" in operation["responses"], (method, path)
                for status, response in operation["responses"].items():
                    if status.startswith("4"):
                        schema = response["content"]["application/json"]["schema"]
                        assert schema["$ref"].endswith("/ErrorBody"), (method, path, status)

    def test_error_examples_are_error_bodies(self, document: dict[str, Any]) -> None:
        bodies = TypeAdapter(ErrorBody)
        examples = [
            example["value"]
            for operations in document["paths"].values()
            for operation in operations.values()
            for status, response in operation["responses"].items()
            if status.startswith("4")
            for example in response["content"]["application/json"].get("examples", {}).values()
        ]
        assert examples
        for example in examples:
            bodies.validate_python(example)

    def test_every_route_is_described(self, document: dict[str, Any]) -> None:
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                assert operation.get("description"), (method, path)


class TestErrors:
    def test_an_unknown_path_and_method_are_error_bodies(self, client: TestClient) -> None:
        assert client.get("/v1/nothing").json()["code"] == "route_not_found"
        refused = client.put("/v1/documents")
        assert (refused.status_code, refused.json()["code"]) == (405, "method_not_allowed")

    @pytest.mark.parametrize(
        "path", ["/healthz?a=1", "/readyz?a=1", "/metrics?a=1", "/v1/collections?x=&y=2"]
    )
    def test_unknown_query_parameters_are_refused_on_every_route(self, client: TestClient, path: str) -> None:
        response = client.get(path)
        assert (response.status_code, response.json()["code"]) == (422, "request_invalid")

    def test_every_response_forbids_sniffing(self, client: TestClient) -> None:
        for path in ("/healthz", "/nowhere", "/v1/documents/99"):
            assert client.get(path).headers["x-content-type-options"] == "nosniff"

    @pytest.mark.parametrize(
        ("error", "status_code", "code"),
        [
            (OperationalError("SELECT", {}, Exception("password=hunter2")), 503, "database_unavailable"),
            (KeyError("secret value"), 500, "internal_error"),
            (Overloaded("Too many questions."), 429, "overloaded"),
        ],
    )
    def test_unexpected_errors_say_nothing_private(
        self, error: Exception, status_code: int, code: str
    ) -> None:
        app = FastAPI()
        install_error_handlers(app)

        @app.get("/")
        def fail() -> None:
            raise error

        response = TestClient(app, raise_server_exceptions=False).get("/")
        assert (response.status_code, response.json()["code"]) == (status_code, code)
        assert "hunter2" not in response.text
        assert "secret" not in response.text
        assert (response.headers.get("retry-after") is not None) == (status_code in {429, 503})
