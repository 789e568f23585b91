"""Protected PDFs: the password comes with the upload or with the retry, and is shown to nobody."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from typer.testing import CliRunner

from app.documents.local import ingest_paths
from app.documents.sweeping import sweep
from app.folders.keeping import FolderKeeper
from app.jobs.commands import jobs_app
from app.services import Services
from app.tables import DocumentVersion
from tests.app import asking
from tests.ingest.samples import pdf

PASSWORD = "sésame 7"
SAFE = pdf(["The code of the safe is 4711."], password=PASSWORD)


def services_of(client: TestClient) -> Services:
    services: Services = client.app.state.services  # type: ignore[attr-defined]
    return services


def work(client: TestClient) -> None:
    asking.work(services_of(client))


def send(client: TestClient, data: bytes = SAFE, **form: str) -> int:
    response = client.post("/v1/documents", files=[("files", ("safe.pdf", data))], data=form)
    assert response.status_code == 202, response.text
    document_id: int = response.json()["documents"][0]["document_id"]
    return document_id


def outcome(client: TestClient, document_id: int) -> str:
    """The document's status, or the code of its failure, after a worker has been at it."""
    work(client)
    document = client.get(f"/v1/documents/{document_id}").json()
    return str(document["error"]["code"] if document["status"] == "failed" else document["status"])


def retry(client: TestClient, document_id: int, password: str) -> int:
    return client.post(f"/v1/documents/{document_id}/retry", json={"password": password}).status_code


def test_a_protected_file_is_retried_with_its_password(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    document_id = send(client)
    assert outcome(client, document_id) == "file_encrypted"
    assert retry(client, document_id, "wrong") == 202
    assert outcome(client, document_id) == "password_wrong"
    assert retry(client, document_id, PASSWORD) == 202
    assert outcome(client, document_id) == "ready"

    assert "4711" in client.get(f"/v1/documents/{document_id}/pages/1").json()["text"]
    picture = client.get(f"/v1/documents/{document_id}/pages/1/image")
    assert (picture.status_code, picture.content[:4]) == (200, b"\x89PNG")
    paths = (f"/v1/documents/{document_id}", f"/v1/documents/{document_id}/versions", "/v1/jobs")
    assert not any("sésame" in client.get(path).text for path in paths)
    assert "sésame" not in caplog.text


def test_an_upload_takes_the_password_along(client: TestClient) -> None:
    assert outcome(client, send(client, password=PASSWORD)) == "ready"


def test_the_same_bytes_sent_again_with_the_password_are_tried_again(client: TestClient) -> None:
    document_id = send(client)
    assert outcome(client, document_id) == "file_encrypted"
    assert send(client, password=PASSWORD) == document_id
    assert outcome(client, document_id) == "ready"


def test_a_new_version_of_the_same_bytes_opens_with_the_same_password(client: TestClient) -> None:
    document_id = send(client, password=PASSWORD)
    assert outcome(client, document_id) == "ready"
    assert send(client, on_existing="replace") == document_id
    assert outcome(client, document_id) == "ready"


def test_the_password_goes_with_the_bytes_of_its_version(client: TestClient) -> None:
    document_id = send(client, password=PASSWORD)
    assert outcome(client, document_id) == "ready"
    send(client, pdf(["The safe is open."]), on_existing="replace")
    assert outcome(client, document_id) == "ready"
    services = services_of(client)
    sweep(services.sessions, services.blobs, keep_versions=0)
    with services.sessions() as session:
        stored = select(DocumentVersion.password, DocumentVersion.purged_at).order_by(DocumentVersion.number)
        (first, purged_at), (second, _) = session.execute(stored).all()
    assert (first, second) == (None, None)
    assert purged_at is not None


@pytest.mark.parametrize("password", ["", "x" * 201, "a\0b"])
def test_what_cannot_be_a_password_is_refused_and_not_repeated(client: TestClient, password: str) -> None:
    document_id = send(client)
    assert outcome(client, document_id) == "file_encrypted"
    assert retry(client, document_id, password) == 422
    upload = {"files": ("a.pdf", SAFE)}
    response = client.post("/v1/documents", files=upload, data={"password": password or "\x01"})
    assert response.status_code == 422
    assert response.json()["details"]["field"] == "password"
    assert "xxx" not in response.text


def test_the_command_line_takes_it_too(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "safe.pdf"
    path.write_bytes(SAFE)
    services = services_of(client)
    (row,) = ingest_paths(services, [path], "Default", lambda _: None)
    assert row["error"]["code"] == "file_encrypted"
    monkeypatch.setenv("FOOTNOTE_DATA_DIR", str(services.settings.data_dir))
    words = ["retry", str(row["document_id"]), "--password", "-"]
    result = CliRunner().invoke(jobs_app, words, input=f"{PASSWORD}\n")
    assert result.exit_code == 0, result.output
    assert "sésame" not in result.output
    assert outcome(client, row["document_id"]) == "ready"
    (row,) = ingest_paths(services, [path], "Other", lambda _: None, password=PASSWORD)
    assert row["status"] == "ready"


def test_a_watched_folder_takes_it_too(client: TestClient, tmp_path: Path) -> None:
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "safe.pdf").write_bytes(SAFE)
    keeper = FolderKeeper(services_of(client), folder, "Default", lambda _: None, PASSWORD)
    keeper.round()
    assert keeper.round().added == ["safe.pdf"]
    (document,) = client.get("/v1/documents").json()["items"]
    assert document["status"] == "ready"
