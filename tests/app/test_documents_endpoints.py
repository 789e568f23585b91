"""`/v1/documents` and `/v1/jobs` over HTTP, with a real worker, real parsing and a fake encoder."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from httpx import Response

from app.services import Services
from app.settings import Settings, load_settings
from tests.app import asking
from tests.app.factories import second_user, upload

TEXT = "# Leave\n\nEveryone has 28 days of leave.\n"
LIMIT_BYTES = 100_000
ERROR_FIELDS = {"code", "stage", "cause", "next_step", "details"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({}, data_dir=tmp_path / "data", max_upload_bytes=LIMIT_BYTES, evidence_threshold=0.3)


def services_of(client: TestClient) -> Services:
    services: Services = client.app.state.services  # type: ignore[attr-defined]
    return services


def send(client: TestClient, *files: tuple[str, bytes], **form: object) -> Response:
    return client.post("/v1/documents", files=[("files", file) for file in files], data=form)


def work(client: TestClient) -> None:
    asking.work(services_of(client))


def uploaded(client: TestClient, name: str = "leave.md", data: bytes = TEXT.encode()) -> int:
    response = send(client, (name, data))
    assert response.status_code == 202
    document_id: int = response.json()["documents"][0]["document_id"]
    return document_id


def stored_files(client: TestClient) -> list[Path]:
    folder = services_of(client).settings.data_dir / "blobs"
    return [path for path in folder.rglob("*") if path.is_file()]


class TestUpload:
    def test_a_file_over_the_limit_is_refused_and_leaves_nothing(self, client: TestClient) -> None:
        response = send(client, ("big.txt", b"x" * (LIMIT_BYTES + 1)))
        body = response.json()
        assert (response.status_code, body["code"], body["stage"]) == (413, "file_too_large", "stored")
        assert body["details"]["documents"][0]["status"] == "rejected"
        assert stored_files(client) == []
        assert client.get("/v1/documents").json()["total"] == 0

    def test_an_empty_file_is_refused(self, client: TestClient) -> None:
        response = send(client, ("empty.txt", b""))
        assert (response.status_code, response.json()["code"]) == (422, "file_empty")
        assert stored_files(client) == []

    def test_one_bad_file_does_not_affect_the_others(self, client: TestClient) -> None:
        response = send(
            client,
            ("a.txt", b"alpha"),
            ("big.txt", b"x" * (LIMIT_BYTES + 1)),
            ("empty.txt", b""),
            ("b.txt", b"beta"),
        )
        assert response.status_code == 202
        outcomes = [
            (d["file_name"], d["status"], d["error"] and d["error"]["code"])
            for d in response.json()["documents"]
        ]
        assert outcomes == [
            ("a.txt", "queued", None),
            ("big.txt", "rejected", "file_too_large"),
            ("empty.txt", "rejected", "file_empty"),
            ("b.txt", "queued", None),
        ]
        assert len(stored_files(client)) == 2

    def test_the_document_is_visible_at_once(self, client: TestClient) -> None:
        document_id = uploaded(client)
        document = client.get(f"/v1/documents/{document_id}").json()
        assert document["status"] == "queued"
        assert document["progress"] == {
            "stage": "stored",
            "done": 0,
            "total": 0,
            "stages": [],
            "seconds_left": None,
            "attempts": 0,
            "last_error": None,
        }
        assert document["sha256"] == hashlib.sha256(TEXT.encode()).hexdigest()

    def test_the_same_bytes_are_one_document_under_any_name(self, client: TestClient) -> None:
        first = uploaded(client)
        again = send(client, ("copy.md", TEXT.encode()), ("copy2.md", TEXT.encode())).json()["documents"]
        assert [(d["status"], d["document_id"], d["job_id"]) for d in again] == [
            ("duplicate", first, None)
        ] * 2
        assert len(stored_files(client)) == 1

    def test_the_same_bytes_may_be_in_two_collections(self, client: TestClient) -> None:
        first = uploaded(client)
        collection = client.post("/v1/collections", json={"name": "Other"}).json()["id"]
        second = send(client, ("leave.md", TEXT.encode()), collection_id=collection).json()["documents"][0]
        assert second["status"] == "queued"
        assert second["document_id"] != first
        assert len(stored_files(client)) == 1

    @pytest.mark.parametrize("value", ["x", "0", "", "1e3", str(2**63)])
    def test_a_collection_id_that_is_no_id_is_refused(self, client: TestClient, value: str) -> None:
        response = send(client, ("a.txt", b"alpha"), collection_id=value)
        assert (response.status_code, response.json()["code"]) == (422, "request_invalid")
        assert stored_files(client) == []

    def test_an_unknown_collection_is_refused_before_anything_is_kept(self, client: TestClient) -> None:
        response = send(client, ("a.txt", b"alpha"), collection_id=999)
        assert (response.status_code, response.json()["code"]) == (404, "collection_not_found")
        assert stored_files(client) == []

    def test_json_instead_of_a_form_is_refused(self, client: TestClient) -> None:
        response = client.post("/v1/documents", json={"files": []})
        assert (response.status_code, response.json()["code"]) == (422, "request_invalid")

    def test_hostile_file_names_are_cleaned(self, client: TestClient) -> None:
        document_id = uploaded(client, name="../../etc/passwd.txt")
        assert client.get(f"/v1/documents/{document_id}").json()["file_name"] == "passwd.txt"


class TestRead:
    def test_a_missing_document_is_404_everywhere(self, client: TestClient) -> None:
        for method, path in [
            ("GET", "/v1/documents/99"),
            ("DELETE", "/v1/documents/99"),
            ("POST", "/v1/documents/99/retry"),
            ("GET", "/v1/documents/99/file"),
            ("GET", "/v1/documents/99/pages/1"),
            ("GET", "/v1/documents/99/pages/1/image"),
        ]:
            response = client.request(method, path)
            assert (response.status_code, response.json()["code"]) == (404, "document_not_found"), path
            assert set(response.json()) == ERROR_FIELDS

    @pytest.mark.parametrize(
        "path",
        [
            "/v1/documents/0",
            "/v1/documents/x",
            f"/v1/documents/{2**63}",
            "/v1/documents?limit=0",
            "/v1/documents?limit=1001",
            "/v1/documents?offset=-1",
            "/v1/documents?status=done",
            "/v1/documents?colection_id=1",
            "/v1/documents/1?verbose=1",
            "/v1/documents/1/pages/0",
            "/v1/documents/1/pages/1/image?scale=100",
        ],
    )
    def test_wrong_parameters_are_422(self, client: TestClient, path: str) -> None:
        response = client.get(path)
        assert (response.status_code, response.json()["code"]) == (422, "request_invalid")

    def test_a_ready_document_shows_what_was_found(self, client: TestClient) -> None:
        document_id = uploaded(client)
        work(client)
        document = client.get(f"/v1/documents/{document_id}").json()
        assert (document["status"], document["progress"], document["error"]) == ("ready", None, None)
        assert (document["page_count"], document["chunk_count"], document["paged"]) == (1, 1, False)
        assert document["report"]["characters"] > 0

    def test_a_failed_document_says_why_and_can_be_retried(self, client: TestClient) -> None:
        document_id = uploaded(client, "random.bin", bytes(range(256)) * 4)
        work(client)
        failed = client.get(f"/v1/documents/{document_id}").json()
        assert (failed["status"], failed["error"]["code"]) == ("failed", "file_unknown_type")
        assert failed["error"]["next_step"]
        retried = client.post(f"/v1/documents/{document_id}/retry")
        assert (retried.status_code, retried.json()["document_id"]) == (202, document_id)
        assert client.get(f"/v1/documents/{document_id}").json()["status"] == "queued"
        job = client.get(f"/v1/jobs/{retried.json()['job_id']}").json()
        assert (job["status"], job["attempts"]) == ("queued", 0)

    def test_uploading_a_failed_file_again_tries_it_again(self, client: TestClient) -> None:
        data = bytes(range(256)) * 4
        document_id = uploaded(client, "random.bin", data)
        work(client)
        again = send(client, ("random.bin", data)).json()["documents"][0]
        assert (again["status"], again["document_id"]) == ("queued", document_id)
        assert client.get("/v1/documents").json()["total"] == 1

    def test_a_ready_document_is_not_tried_again(self, client: TestClient) -> None:
        document_id = uploaded(client)
        work(client)
        response = client.post(f"/v1/documents/{document_id}/retry")
        assert (response.status_code, response.json()["code"]) == (409, "conflict")
        assert "replace" in response.json()["next_step"]

    def test_the_list_is_filtered_and_paged(self, client: TestClient) -> None:
        ids = [uploaded(client, f"{n}.txt", f"text {n}".encode()) for n in range(3)]
        listed = client.get("/v1/documents?limit=2").json()
        assert ([item["id"] for item in listed["items"]], listed["total"]) == ([ids[2], ids[1]], 3)
        assert [d["id"] for d in client.get("/v1/documents?limit=2&offset=2").json()["items"]] == [ids[0]]
        assert client.get("/v1/documents?status=ready").json() == {"items": [], "total": 0}
        assert client.get("/v1/documents?collection_id=99").status_code == 404

    def test_the_job_of_an_upload(self, client: TestClient) -> None:
        job_id = send(client, ("leave.md", TEXT.encode())).json()["documents"][0]["job_id"]
        assert client.get(f"/v1/jobs/{job_id}").json()["status"] == "queued"
        work(client)
        assert client.get(f"/v1/jobs/{job_id}").json()["status"] == "done"
        assert client.get("/v1/jobs/999").json()["code"] == "job_not_found"

    def test_the_original_bytes_come_back_as_an_inert_attachment(self, client: TestClient) -> None:
        document_id = uploaded(client, "räk smörgås.html", b"<script>alert(1)</script>")
        response = client.get(f"/v1/documents/{document_id}/file")
        assert response.content == b"<script>alert(1)</script>"
        assert response.headers["content-type"] == "application/octet-stream"
        assert response.headers["content-disposition"].startswith("attachment;")
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "no-store" in response.headers["cache-control"]  # a browser must not outlive a deletion

    def test_a_file_that_vanished_is_404(self, client: TestClient) -> None:
        document_id = uploaded(client)
        stored_files(client)[0].unlink()
        assert client.get(f"/v1/documents/{document_id}/file").json()["code"] == "file_missing"

    def test_a_page_gives_its_text_and_place(self, client: TestClient) -> None:
        document_id = uploaded(client)
        work(client)
        page = client.get(f"/v1/documents/{document_id}/pages/1").json()
        assert page["text"][page["start"] : page["end"]] == page["text"]
        assert "28 days" in page["text"]
        missing = client.get(f"/v1/documents/{document_id}/pages/2")
        assert (missing.status_code, missing.json()["code"]) == (404, "page_not_found")

    def test_only_pdf_pages_have_pictures(self, client: TestClient) -> None:
        document_id = uploaded(client)
        work(client)
        response = client.get(f"/v1/documents/{document_id}/pages/1/image")
        assert (response.status_code, response.json()["code"]) == (404, "page_image_unavailable")


class TestDelete:
    def test_a_deleted_document_is_gone_everywhere_at_once(self, client: TestClient) -> None:
        job = send(client, ("leave.md", TEXT.encode())).json()["documents"][0]
        work(client)
        question = {"question": "How many days of leave has everyone?"}
        assert client.post("/v1/search", json=question).json()["hits"]
        assert client.delete(f"/v1/documents/{job['document_id']}").status_code == 204
        assert client.post("/v1/search", json=question).json()["hits"] == []
        assert client.get(f"/v1/documents/{job['document_id']}").status_code == 404
        assert client.get(f"/v1/jobs/{job['job_id']}").status_code == 404
        assert client.get("/v1/documents").json()["total"] == 0
        assert stored_files(client) == []

    def test_the_same_file_can_be_uploaded_again_after_deletion(self, client: TestClient) -> None:
        first = uploaded(client)
        client.delete(f"/v1/documents/{first}")
        second = uploaded(client)
        assert second > first

    def test_bytes_stay_while_another_collection_uses_them(self, client: TestClient) -> None:
        first = uploaded(client)
        collection = client.post("/v1/collections", json={"name": "Other"}).json()["id"]
        send(client, ("leave.md", TEXT.encode()), collection_id=collection)
        client.delete(f"/v1/documents/{first}")
        assert len(stored_files(client)) == 1
        assert client.delete(f"/v1/collections/{collection}").status_code == 204
        assert stored_files(client) == []

    def test_a_failed_document_can_be_deleted(self, client: TestClient) -> None:
        document_id = uploaded(client, "random.bin", bytes(range(256)) * 4)
        work(client)
        assert client.delete(f"/v1/documents/{document_id}").status_code == 204


class TestOtherOwners:
    """Another owner's rows answer exactly like rows that do not exist."""

    @pytest.fixture
    def foreign(self, client: TestClient) -> dict[str, int]:
        services = services_of(client)
        other = second_user(services.sessions)
        outcome = upload(services.sessions, services.blobs, other, b"secret plan", collection="Secret")
        work(client)
        assert outcome.document_id is not None
        assert outcome.job_id is not None
        return {"document": outcome.document_id, "job": outcome.job_id}

    def test_every_document_path_is_404(self, client: TestClient, foreign: dict[str, int]) -> None:
        path = f"/v1/documents/{foreign['document']}"
        for method, suffix in [
            ("GET", ""),
            ("DELETE", ""),
            ("POST", "/retry"),
            ("GET", "/file"),
            ("GET", "/pages/1"),
            ("GET", "/pages/1/image"),
            ("GET", "/passages"),
        ]:
            assert client.request(method, path + suffix).status_code == 404, suffix
        assert client.get(f"/v1/jobs/{foreign['job']}").status_code == 404
        assert client.get("/v1/documents").json() == {"items": [], "total": 0}

    def test_search_neither_finds_nor_accepts_them(self, client: TestClient, foreign: dict[str, int]) -> None:
        question = {"question": "What is the secret plan?"}
        assert client.post("/v1/search", json=question).json()["hits"] == []
        asked = client.post("/v1/search", json={**question, "document_ids": [foreign["document"]]})
        assert (asked.status_code, asked.json()["code"]) == (404, "document_not_found")
        asked = client.post("/v1/search", json={**question, "collection_ids": [2]})
        assert (asked.status_code, asked.json()["code"]) == (404, "collection_not_found")

    def test_the_collection_is_404(self, client: TestClient, foreign: dict[str, int]) -> None:
        assert client.get("/v1/collections/2").status_code == 404
        assert client.delete("/v1/collections/2").status_code == 404
        assert [c["name"] for c in client.get("/v1/collections").json()["items"]] == ["Default"]
        assert send(client, ("a.txt", b"a"), collection_id=2).status_code == 404
