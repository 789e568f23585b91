"""Reads of sites in the background, over HTTP and on both databases: progress, cancel, restart, limits."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from app.services import Services
from app.settings import Settings, load_settings
from app.sites import crawling, repository
from app.sites.endpoints import get_fetcher
from app.sites.fetching import FetchLimits
from app.sites.tables import SiteRead
from app.tables import User, utc_now
from tests.app.processes import ROOT, running_service
from tests.app.web_site import Held, WebSite, begin_read, read_to_end, reader, state_of, until
from tests.conftest import client_of

PATIENT = FetchLimits(max_bytes=100_000, connect_s=30.0, total_s=60.0)
SOON_S = 1.0


@pytest.fixture
def held(site: WebSite) -> Iterator[Held]:
    """`/slow` of the site, which its first page leads to behind a quick one and one that is not there."""
    page = Held()
    links = "".join(f'<a href="/{name}">{name}</a>' for name in ("quick", "gone", "slow", "x"))
    site.html("/", f"<p>Welcome.</p>{links}")
    site.html("/quick", "<p>Everyone has 28 days of leave.</p>")
    site.pages["/slow"] = page
    yield page
    page.let_go.set()


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return load_settings({}, data_dir=tmp_path / "data", database_url=database_url, poll_interval_s=0.02)


@pytest.fixture
def start(
    settings: Settings, build: Callable[[Settings], Services], monkeypatch: pytest.MonkeyPatch
) -> Callable[[], TestClient]:
    """An API on these settings; as often as it is called, one after the other."""
    monkeypatch.setattr(crawling, "PAUSE_S", 0.0)

    def api() -> TestClient:
        app = create_app(settings, build)
        app.dependency_overrides[get_fetcher] = lambda: reader(limits=PATIENT)
        return client_of(app)

    return api


@pytest.fixture
def client(start: Callable[[], TestClient]) -> Iterator[TestClient]:
    with start() as running:
        yield running


def services_of(client: TestClient) -> Services:
    services: Services = client.app.state.services  # type: ignore[attr-defined]
    return services


def at_slow_page(client: TestClient, site: WebSite, held: Held) -> dict[str, Any]:
    """A read of the whole site that waits for `/slow`."""
    read = begin_read(client, site.address, depth=1, pages=9)
    assert held.asked.wait(10)
    return until(client, read, lambda now: now["current"] == f"{site.address}/slow")


def cancelled(client: TestClient, read: dict[str, Any]) -> dict[str, Any]:
    """The read after its cancel, which takes a second at most."""
    began = time.monotonic()
    answer = client.post(f"/v1/site-reads/{read['id']}/cancel")
    assert (answer.status_code, answer.json()["cancel_requested"]) == (202, True)
    over = until(client, read, lambda now: now["status"] != "running")
    assert time.monotonic() - began < SOON_S
    return over


def file_names(client: TestClient) -> set[str]:
    return {each["file_name"] for each in client.get("/v1/documents").json()["items"]}


def test_the_answer_comes_at_once_and_says_how_far_the_read_is(
    client: TestClient, site: WebSite, held: Held
) -> None:
    read = begin_read(client, site.address, depth=1, pages=9)
    assert (read["status"], read["documents"], read["pages_left"]) == ("running", [], 9)
    now = until(client, read, lambda now: now["current"] == f"{site.address}/slow")
    assert (now["status"], now["added"], now["unchanged"], now["refused"]) == ("running", 2, 0, 1)
    assert (now["waiting"], now["pages_left"]) == (2, 6)  # `/slow`, which is in hand, and `/x`
    assert now["size_bytes"] > 100
    assert now["documents"][2]["error"]["code"] == "url_status"
    later = state_of(client, read)
    assert later["elapsed_s"] > now["elapsed_s"]

    held.let_go.set()
    over = until(client, read, lambda now: now["status"] != "running")
    assert (over["status"], over["added"], over["refused"], over["current"]) == ("done", 3, 2, None)
    assert over["error"] is None
    assert over["finished_at"] is not None
    assert over == state_of(client, read), "nothing of it moves any more"


def test_the_limit_of_pages_leaves_addresses_and_says_how_many(
    client: TestClient, site: WebSite, held: Held
) -> None:
    over = read_to_end(client, site.address, depth=1, pages=2)
    assert (over["status"], over["pages_left"], over["waiting"]) == ("done", 0, 3)


def test_a_cancel_ends_a_request_that_waits_and_keeps_what_was_taken_in(
    client: TestClient, site: WebSite, held: Held
) -> None:
    read = at_slow_page(client, site, held)
    over = cancelled(client, read)
    assert (over["status"], over["error"], over["added"], over["refused"]) == ("cancelled", None, 2, 1)
    assert held.hung_up.wait(SOON_S), "the site still waits"
    assert file_names(client) == {f"{site.address}/", f"{site.address}/quick"}
    assert "/x" not in site.asked
    assert client.post(f"/v1/site-reads/{read['id']}/cancel").json()["code"] == "site_read_state"


def test_a_cancel_ends_a_pause_that_the_site_asked_for(client: TestClient, site: WebSite) -> None:
    site.send("/robots.txt", b"User-agent: *\nCrawl-delay: 10", "text/plain")
    site.html("/", '<a href="/a">a</a>')
    read = begin_read(client, site.address, depth=1, pages=9)
    until(client, read, lambda now: len(now["documents"]) == 1)
    assert cancelled(client, read)["added"] == 1


def test_a_cancel_ends_a_name_that_is_looked_up_for_ever(client: TestClient, site: WebSite) -> None:
    never = threading.Event()

    def slow(_host: str, _port: int) -> list[str]:
        never.wait(30)
        return ["127.0.0.1"]

    client.app.dependency_overrides[get_fetcher] = lambda: reader(resolve=slow)  # type: ignore[attr-defined]
    read = begin_read(client, site.address)
    until(client, read, lambda now: now["current"] is not None)
    try:
        assert cancelled(client, read)["documents"] == []
    finally:
        never.set()
    time.sleep(0.2)
    assert site.asked == [], "the connection was made after all"


def test_what_goes_wrong_inside_is_no_read_that_runs_for_ever(
    client: TestClient, site: WebSite, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_host: str, _port: int) -> list[str]:
        raise RuntimeError("a mistake")

    client.app.dependency_overrides[get_fetcher] = lambda: reader(resolve=broken)  # type: ignore[attr-defined]
    over = read_to_end(client, site.address)
    assert (over["status"], over["error"]["code"]) == ("failed", "internal_error")
    assert "a mistake" not in str(over)
    assert "a mistake" in caplog.text


def test_a_page_that_drips_is_cut(client: TestClient, site: WebSite) -> None:
    hung_up = threading.Event()

    def drip(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "text/html")
        request.end_headers()
        try:
            while True:
                request.wfile.write(b"<p>drip</p>")
                time.sleep(0.02)
        except OSError:
            hung_up.set()
            raise

    site.pages["/"] = drip
    read = begin_read(client, site.address)
    time.sleep(0.2)
    assert cancelled(client, read)["documents"] == []
    assert hung_up.wait(SOON_S)
    assert file_names(client) == set()


def test_a_cancel_by_another_process_is_noticed(client: TestClient, site: WebSite, held: Held) -> None:
    """Another API process can only write the row."""
    read = at_slow_page(client, site, held)
    with services_of(client).sessions.begin() as session:
        session.get_one(SiteRead, read["id"]).cancel_requested = True
    began = time.monotonic()
    assert until(client, read, lambda now: now["status"] != "running")["status"] == "cancelled"
    assert time.monotonic() - began < SOON_S


def test_a_restart_ends_a_read_and_says_what_to_do(
    start: Callable[[], TestClient], site: WebSite, held: Held
) -> None:
    with start() as first:
        read = at_slow_page(first, site, held)
        began = time.monotonic()
    assert time.monotonic() - began < 5, "the service did not end before the site answered"
    assert held.hung_up.wait(SOON_S)
    with start() as second:
        [found] = second.get("/v1/site-reads", params={"collection_id": 1}).json()["items"]
        assert (found["id"], found["status"], found["added"]) == (read["id"], "interrupted", 2)
        assert found["error"]["code"] == "site_read_interrupted"
        assert "Read the address again" in found["error"]["next_step"]
        assert file_names(second) == {f"{site.address}/", f"{site.address}/quick"}
        held.let_go.set()
        again = read_to_end(second, site.address, depth=1, pages=9)
        assert (again["added"], again["unchanged"]) == (1, 2)


def test_a_process_that_was_killed_leaves_no_read_that_runs_for_ever(
    tmp_path: Path, site: WebSite, held: Held
) -> None:
    with running_service(tmp_path / "data", workers=0, api="api-on-loopback") as service:
        read = at_slow_page(service.http, site, held)  # type: ignore[arg-type]
        service.api.kill()
        service.api.wait()
        service.restart_api()
        over = state_of(service.http, read)
    assert (over["status"], over["added"], over["current"]) == ("interrupted", 2, None)
    assert over["elapsed_s"] < 30


@pytest.mark.parametrize("here", [True, False], ids=["on this host", "on another host"])
def test_a_read_whose_process_died_is_not_counted_as_running(
    client: TestClient, site: WebSite, *, here: bool
) -> None:
    line = "from app.jobs.identity import new_worker_id; print(new_worker_id())"
    made = subprocess.run([sys.executable, "-c", line], cwd=ROOT, capture_output=True, text=True, check=True)
    holder = made.stdout.strip() if here else "another-host|1|1.00|abc"
    lease_end = utc_now() + timedelta(seconds=30 if here else -1)
    with services_of(client).sessions.begin() as session:
        for _ in range(2):
            values = {"owner_id": 1, "collection_id": 1, "url": site.address, "depth": 0, "pages": 1}
            row = repository.add(session, holder, on_existing="replace", **values)
            row.lease_expires_at = lease_end
    site.html("/", "here")
    assert read_to_end(client, site.address)["status"] == "done"
    found = client.get("/v1/site-reads").json()["items"]
    assert [each["status"] for each in found] == ["done", "interrupted", "interrupted"]


def test_too_many_at_once_are_refused_before_anything_is_asked(
    client: TestClient, site: WebSite, held: Held
) -> None:
    """However closely they follow each other."""
    other = client.post("/v1/collections", json={"name": "other"}).json()["id"]
    body = {"url": f"{site.address}/slow"}

    def post(collection_id: int) -> tuple[int, dict[str, Any]]:
        response = client.post(f"/v1/collections/{collection_id}/urls", json=body)
        return response.status_code, response.json()

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(post, [1] * 6))
    assert sorted(status for status, _ in answers) == [202, 202, 429, 429, 429, 429]
    refusal = next(answer for status, answer in answers if status == 429)
    assert refusal["code"] == "too_many_site_reads"
    assert "2 sites are being read into this collection already." in refusal["cause"]
    assert [post(other)[0], post(other)[0]] == [202, 202]
    third = client.post("/v1/collections", json={"name": "third"}).json()["id"]
    assert post(third)[1]["cause"] == "4 sites are being read already."

    held.let_go.set()
    running = [answer for status, answer in answers if status == 202]
    assert [until(client, each, lambda now: now["status"] == "done")["refused"] for each in running] == [0, 0]
    assert post(1)[0] == 202


def test_another_users_read_is_not_there(client: TestClient, site: WebSite, held: Held) -> None:
    read = at_slow_page(client, site, held)
    with services_of(client).sessions.begin() as session:
        stranger = User(name="stranger")
        session.add(stranger)
        session.flush()
        session.get_one(SiteRead, read["id"]).owner_id = stranger.id
    path = f"/v1/site-reads/{read['id']}"
    for answer in (client.get(path), client.post(f"{path}/cancel"), client.delete(path)):
        assert (answer.status_code, answer.json()["code"]) == (404, "site_read_not_found")
    assert client.get("/v1/site-reads").json()["items"] == []
    assert not held.hung_up.is_set(), "a stranger's cancel did something"
    assert client.get("/v1/site-reads", params={"collection_id": 99}).json()["code"] == "collection_not_found"


def test_a_collection_that_is_deleted_takes_its_reads_with_it(
    client: TestClient, site: WebSite, held: Held
) -> None:
    collection = client.post("/v1/collections", json={"name": "short-lived"}).json()["id"]
    read = begin_read(client, f"{site.address}/slow", collection)
    assert held.asked.wait(10)
    assert client.delete(f"/v1/collections/{collection}").status_code == 204
    assert held.hung_up.wait(SOON_S), "it is still being read"
    assert client.get(f"/v1/site-reads/{read['id']}").status_code == 404


def test_a_read_that_is_over_can_be_removed_and_old_ones_go_by_themselves(
    client: TestClient, site: WebSite, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = at_slow_page(client, site, held)
    answer = client.delete(f"/v1/site-reads/{running['id']}")
    assert (answer.status_code, answer.json()["code"]) == (409, "site_read_state")
    cancelled(client, running)
    assert client.delete(f"/v1/site-reads/{running['id']}").status_code == 204
    assert client.get(f"/v1/site-reads/{running['id']}").status_code == 404
    assert len(file_names(client)) == 2, "the documents went with it"

    monkeypatch.setattr(repository, "KEPT", 2)
    ids = [read_to_end(client, f"{site.address}/quick")["id"] for _ in range(4)]
    kept = [each["id"] for each in client.get("/v1/site-reads").json()["items"]]
    assert kept == ids[:0:-1]
