"""Every file of the shared collection over HTTP to an API process, read by a worker process.

`make shared-files` runs it and prints the counts.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.app.processes import (
    Service,
    assert_ended_well,
    assert_everything_agrees,
    assert_says_why,
    print_counts,
    running_service,
)

pytestmark = [pytest.mark.shared, pytest.mark.slow, pytest.mark.weights, pytest.mark.timeout(2400)]

READING_S = 1800.0
PASSWORDS = {
    "2206.01062_pg3.pdf": "1234",
    "aes-128.pdf": "foo",
    "aes-256.pdf": "foo",
    "rc4-40.pdf": "foo",
    "libreoffice-writer-password.pdf": "openpassword",
}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with running_service(tmp_path) as running:
        yield running


def test_every_shared_file_is_ready_or_says_why_not(shared_data: Path, service: Service) -> None:
    root = shared_data / "files"
    names = sorted(
        str(path.relative_to(root))
        for path in root.rglob("*")
        if path.is_file() and path.name != "MANIFEST.tsv"
    )
    assert len(names) >= 116
    started = time.monotonic()
    outcomes = {name: service.upload(name, root / name) for name in names}
    documents = service.documents(READING_S)
    seconds = time.monotonic() - started
    for name, outcome in outcomes.items():
        if outcome["status"] == "rejected":
            assert_says_why(outcome["error"], name)
    for document in documents.values():
        assert_ended_well(service, document)
    assert {each["document_id"] for each in outcomes.values()} - {None} == set(documents)
    print_counts(outcomes, documents, seconds)
    assert_passwords_open(service, outcomes)
    service.assert_alive()
    assert_everything_agrees(service.settings)


def assert_passwords_open(service: Service, outcomes: dict[str, dict[str, Any]]) -> None:
    """Protected files fail without their password, and are read with it."""
    ids = {name: outcomes[name]["document_id"] for name in PASSWORDS}
    for name, password in PASSWORDS.items():
        response = service.http.post(f"/v1/documents/{ids[name]}/retry", json={"password": password})
        assert response.status_code == 202, (name, response.text)
    documents = service.documents(READING_S)
    assert {name: documents[ids[name]]["status"] for name in PASSWORDS} == dict.fromkeys(PASSWORDS, "ready")
