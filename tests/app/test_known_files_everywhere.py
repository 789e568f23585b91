"""Skip, replace or keep both, by every way in: upload, file, folder, address, and the address by command.

Each way goes through its own seam: the HTTP API, the command line, a site that is really served.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

import app.wiring
from app import cli
from app.documents.identity import OnExisting
from app.main import create_app
from app.services import Services
from app.settings import Settings
from app.sites import crawling
from app.sites.crawling import CrawlLimits
from app.sites.endpoints import get_fetcher
from app.sites.fetching import Fetcher
from app.sites.local import ingest_site
from tests.app.asking import work
from tests.app.web_site import WebSite, read_to_end
from tests.conftest import client_of

OLD = "<p>Everyone has 28 days of leave.</p>"
NEW = "<p>Everyone has 30 days of leave. So says the new handbook.</p>"

Send = Callable[[str, OnExisting | None], None]
"""Sends these words under the one name of a test; None leaves the choice to the way."""


def reader() -> Fetcher:
    return Fetcher(may_connect=lambda address: address == "127.0.0.1")


@pytest.fixture
def client(
    settings: Settings, build: Callable[[Settings], Services], monkeypatch: pytest.MonkeyPatch
) -> Iterator[TestClient]:
    monkeypatch.setattr(crawling, "PAUSE_S", 0.0)
    monkeypatch.setattr(app.wiring, "build_services", build)
    monkeypatch.setenv("FOOTNOTE_DATA_DIR", str(settings.data_dir))
    service = create_app(settings, build)
    service.dependency_overrides[get_fetcher] = reader
    with client_of(service) as test_client:
        yield test_client


@pytest.fixture
def services(client: TestClient) -> Services:
    return client.app.state.services  # type: ignore[attr-defined,no-any-return]


@pytest.fixture(params=["upload", "file", "folder", "address", "address by command"])
def send(
    request: pytest.FixtureRequest,
    client: TestClient,
    services: Services,
    site: WebSite,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Send:
    folder = tmp_path / "papers"
    folder.mkdir()

    def upload(words: str, choice: OnExisting | None) -> None:
        fields = {} if choice is None else {"on_existing": choice}
        files = [("files", ("leave.html", words.encode()))]
        assert client.post("/v1/documents", files=files, data=fields).status_code == 202
        work(services)

    def command(source: Path, words: str, choice: OnExisting | None) -> None:
        (folder / "leave.html").write_text(words)
        options = [] if choice is None else ["--on-existing", choice]
        monkeypatch.setattr(sys, "argv", ["footnote", "ingest", str(source), *options])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        assert not stopped.value.code

    def address(words: str, choice: OnExisting | None) -> None:
        site.html("/", words)
        body = {} if choice is None else {"on_existing": choice}
        assert read_to_end(client, site.address, **body)["status"] == "done"
        work(services)

    def address_by_command(words: str, choice: OnExisting | None) -> None:
        site.html("/", words)
        limits = CrawlLimits()
        if choice is None:
            ingest_site(services, site.address, "Default", limits, print, reader())
        else:
            ingest_site(services, site.address, "Default", limits, print, reader(), on_existing=choice)

    ways: dict[str, Send] = {
        "upload": upload,
        "file": lambda words, choice: command(folder / "leave.html", words, choice),
        "folder": lambda words, choice: command(folder, words, choice),
        "address": address,
        "address by command": address_by_command,
    }
    return ways[request.param]


def documents(client: TestClient) -> list[dict[str, Any]]:
    """Oldest first; every one of them is ready."""
    items: list[dict[str, Any]] = client.get("/v1/documents").json()["items"]
    assert {each["status"] for each in items} == {"ready"}
    return sorted(items, key=lambda each: each["id"])


def test_the_same_bytes_are_not_read_again_unless_somebody_asks(client: TestClient, send: Send) -> None:
    send(OLD, None)
    send(OLD, None)
    send(OLD, "skip")
    assert [each["version"] for each in documents(client)] == [1]


def test_a_new_version_takes_the_place_of_the_old_one(client: TestClient, send: Send) -> None:
    send(OLD, None)
    send(NEW, "replace")
    (document,) = documents(client)
    assert (document["version"], document["ready_version"]) == (2, 2)
    answer = client.post("/v1/ask", json={"question": "How many days of leave has everyone?"}).json()
    assert "30 days" in answer["answer"]


def test_both_can_be_kept(client: TestClient, send: Send) -> None:
    send(OLD, None)
    send(OLD, "keep_both")
    send(NEW, "keep_both")
    found = documents(client)
    assert [each["version"] for each in found] == [1, 1, 1]
    assert len({each["file_name"] for each in found}) == 1


def test_other_words_under_a_known_name_never_take_a_place_unasked(client: TestClient, send: Send) -> None:
    """Only an address stands for what is there now: read again it is replaced."""
    send(OLD, None)
    send(NEW, "skip")
    assert [each["version"] for each in documents(client)] == [1, 1]


def test_an_address_that_shows_what_another_one_shows_is_replaced(
    client: TestClient, services: Services, site: WebSite
) -> None:
    """Its document must not go on answering with words that stand there no more."""
    for path, words in (("/a", OLD), ("/b", NEW), ("/a", NEW)):
        site.html(path, words)
        assert read_to_end(client, site.address + path)["documents"][0]["status"] == "queued"
        work(services)
    first, second = documents(client)
    assert first["sha256"] == second["sha256"]
    assert (first["version"], second["version"]) == (2, 1)
