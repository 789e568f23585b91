"""A real site on loopback whose pages a test writes, and what a test's reader may reach."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from app.errors import AppError
from app.sites.addresses import is_public
from app.sites.fetching import Fetcher, FetchLimits
from app.sites.urls import parse_url
from app.sites.visiting import Visitor

Handler = Callable[[BaseHTTPRequestHandler], None]
LIMITS = FetchLimits(max_bytes=100_000, connect_s=1.0, total_s=1.0)
Read = dict[str, Any]
Wanted = Callable[[Read], bool]
READ_S = 20.0  # longest read of a test's site


@dataclass
class WebSite:
    """`pages` maps a path to what is sent; `asked` has every path in order."""

    address: str
    pages: dict[str, Handler] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def html(self, path: str, body: str, **headers: str) -> None:
        self.send(path, f"<html><body>{body}</body></html>".encode(), "text/html; charset=utf-8", **headers)

    def send(self, path: str, body: bytes, kind: str, status: int = 200, **headers: str) -> None:
        def handle(request: BaseHTTPRequestHandler) -> None:
            request.send_response(status)
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            sent = {"Content-Type": kind, "Content-Length": str(len(body)), **given}
            for name, value in sent.items():
                request.send_header(name, value)
            request.end_headers()
            request.wfile.write(body)

        self.pages[path] = handle

    def redirect(self, path: str, target: str, status: int = 302) -> None:
        self.send(path, b"", "text/html", status, Location=target)


@dataclass
class Held:
    """A page that is not sent before it is let go."""

    asked: threading.Event = field(default_factory=threading.Event)
    hung_up: threading.Event = field(default_factory=threading.Event)
    let_go: threading.Event = field(default_factory=threading.Event)

    def __call__(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.set()
        request.connection.settimeout(0.02)
        while not self.let_go.is_set():
            try:
                if request.connection.recv(1) == b"":
                    self.hung_up.set()
                    return
            except TimeoutError:
                continue
        body = b"<p>Late.</p>"
        request.send_response(200)
        request.send_header("Content-Type", "text/html")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)


@contextmanager
def serving() -> Iterator[WebSite]:
    """A site that answers 404 until it is given pages."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append(self.path)
            handle = site.pages.get(self.path)
            try:
                handle(self) if handle else self.send_error(404)
            except OSError:
                self.close_connection = True  # the reader hung up, as it should

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.daemon_threads = True
    site = WebSite(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def loopback(address: str) -> bool:
    """The allowance of these tests: what is public, and the test's own server."""
    return address == "127.0.0.1" or is_public(address)


def reader(**changes: object) -> Fetcher:
    return Fetcher(**{"limits": LIMITS, "may_connect": loopback, **changes})  # type: ignore[arg-type]


def visit(site: WebSite, path: str, fetcher: Fetcher | None = None) -> bytes:
    return Visitor(fetcher or reader()).visit(parse_url(site.address + path)).body


def refusal(site: WebSite, path: str) -> AppError:
    with pytest.raises(AppError) as caught:
        visit(site, path)
    return caught.value


def begin_read(client: httpx.Client, url: str, collection_id: int = 1, **body: object) -> Read:
    """The read as it was when it began."""
    response = client.post(f"/v1/collections/{collection_id}/urls", json={"url": url, **body})
    assert response.status_code == 202, response.text
    return dict(response.json())


def state_of(client: httpx.Client, read: Read) -> Read:
    response = client.get(f"/v1/site-reads/{read['id']}")
    assert response.status_code == 200, response.text
    return dict(response.json())


def until(client: httpx.Client, read: Read, wanted: Callable[[dict[str, Any]], bool]) -> Read:
    """The read as soon as it is as wanted."""
    give_up = time.monotonic() + READ_S
    while not wanted(now := state_of(client, read)):
        assert time.monotonic() < give_up, now
        time.sleep(0.02)
    return now


def read_to_end(client: httpx.Client, url: str, **body: object) -> Read:
    """Begins a read and waits until it is over."""
    return until(client, begin_read(client, url, **body), lambda now: now["status"] != "running")
