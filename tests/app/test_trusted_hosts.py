"""Who may call an API without accounts: by which host names, and no page of another site."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from starlette.types import Message

from app.errors import ConfigurationError
from app.main import create_app
from app.services import Services
from app.settings import Settings, load_settings
from app.trusted_hosts import TrustedHosts, allowed_names
from tests.conftest import client_of

Build = Callable[[Settings], Services]


def refused(client: TestClient, method: str = "GET", **headers: str) -> str | None:
    """The code of a refusal; None when the call came through."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    body = {"json": {"name": "Boats"}} if method == "POST" else {}
    response = client.request(method, "/v1/collections", headers=sent, **body)
    if response.status_code != 403:
        return None
    told: dict[str, str] = response.json()
    assert told["next_step"]
    assert response.headers["x-content-type-options"] == "nosniff"
    return told["code"]


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:8000", "192.168.7.20:8000", "[::1]:8000", "localhost:8000", "LocalHost.",
     "footnote.localhost:8000"],
)  # fmt: skip
def test_addresses_and_localhost_are_allowed(client: TestClient, host: str) -> None:
    assert refused(client, host=host) is None


@pytest.mark.parametrize(
    "host",
    ["rebound.example:8000", "rebound.example", "localhost.rebound.example", "127.0.0.1.rebound.example",
     "notlocalhost", "[rebound]:8000", "", "testserver"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_name_that_leads_here_unasked_is_refused(client: TestClient, method: str, host: str) -> None:
    assert refused(client, method, host=host) == "host_not_allowed"


def test_a_health_check_without_a_host_is_no_browser(settings: Settings, build: Build) -> None:
    """HTTP/1.0, which neither the client of the tests nor any browser speaks."""
    app = create_app(settings, build)
    scope = {"type": "http", "method": "GET", "path": "/healthz", "headers": [], "query_string": b""}
    answers: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        answers.append(message)

    with client_of(app):  # started
        asyncio.run(TrustedHosts(app, allowed_names(settings))(scope, receive, send))
    assert answers[0]["status"] == 200


def test_the_refusal_names_the_setting_and_is_counted(client: TestClient) -> None:
    response = client.get("/v1/collections", headers={"host": "rebound.example"})
    assert "FOOTNOTE_ALLOWED_HOSTS" in response.json()["next_step"]
    assert 'route="unmatched",status="403"} 1.0' in client.get("/metrics").text


@pytest.mark.parametrize(
    ("values", "host", "allowed"),
    [
        ({"allowed_hosts": "api, Docs.Example"}, "api:8000", True),
        ({"allowed_hosts": "api, Docs.Example"}, "docs.example", True),
        ({"allowed_hosts": "api, Docs.Example"}, "other.example", False),
        ({"allowed_hosts": "docs.example"}, "more.docs.example", False),
        ({"allowed_hosts": "*"}, "any.example", True),
        ({"host": "shelf.lan"}, "shelf.lan:8000", True),
        ({"api_url": "https://answers.example/footnote"}, "answers.example", True),
    ],
)
def test_names_of_the_settings_are_allowed(
    settings: Settings, build: Build, values: dict[str, str], host: str, allowed: bool
) -> None:
    with client_of(create_app(settings.model_copy(update=values), build)) as client:
        assert refused(client, host=host) == (None if allowed else "host_not_allowed")


@pytest.mark.parametrize("value", ["http://api:8000", "*.example", "api:8000"])
def test_what_is_no_host_name_stops_the_start(value: str) -> None:
    with pytest.raises(ConfigurationError, match="FOOTNOTE_ALLOWED_HOSTS"):
        load_settings({"FOOTNOTE_ALLOWED_HOSTS": value})


def test_an_ipv6_address_to_listen_on_needs_no_name() -> None:
    assert "" not in allowed_names(load_settings({}, host="::1", allowed_hosts="api,"))


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"sec_fetch_site": "cross-site", "origin": "http://site.example"}, "cross_site_request"),
        ({"sec_fetch_site": "same-origin", "origin": "http://localhost"}, None),
        ({"sec_fetch_site": "none"}, None),
        ({"origin": "http://site.example"}, "cross_site_request"),  # over plain http to another machine
        ({"origin": "null"}, "cross_site_request"),
        ({"origin": "http://localhost:8501"}, None),
        ({}, None),  # a program
    ],
)
def test_the_page_of_another_site_changes_nothing(
    client: TestClient, headers: dict[str, str], code: str | None
) -> None:
    assert refused(client, "POST", **headers) == code
    assert len(client.get("/v1/collections").json()["items"]) == (1 if code else 2)
    assert refused(client, "GET", **headers) is None  # a link to here may be followed


def test_a_form_of_another_site_uploads_nothing(client: TestClient) -> None:
    """Multipart forms are sent across sites without asking the API first."""
    files = [("files", ("planted.txt", b"Planted.", "text/plain"))]
    response = client.post("/v1/documents", files=files, headers={"sec-fetch-site": "cross-site"})
    assert (response.status_code, response.json()["code"]) == (403, "cross_site_request")
    assert client.get("/v1/documents").json()["total"] == 0
