"""Reading sites: what may be reached, what is asked first, how far it goes, and what becomes of the pages."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler

import pytest
from fastapi.testclient import TestClient

from app.accounts.service import local_account
from app.documents.index_sync import access_filter, catch_up, load_chunks
from app.main import create_app
from app.services import Services
from app.settings import Settings
from app.sites import crawling
from app.sites.addresses import is_public
from app.sites.crawling import CrawlLimits, Visited, crawl
from app.sites.endpoints import get_fetcher
from app.sites.errors import UrlAddressPrivate, UrlInvalid, UrlTimeout, UrlTooLarge, UrlUnreachable
from app.sites.fetching import Fetcher, FetchLimits
from app.sites.local import ingest_site
from app.sites.urls import parse_url
from app.sites.visiting import Visitor
from tests.app.web_site import LIMITS, WebSite, read_to_end, reader, refusal, serving, visit
from tests.conftest import client_of


class TestAddresses:
    @pytest.mark.parametrize(
        "address",
        [
            "127.0.0.1",
            "127.8.8.8",
            "10.0.0.1",
            "172.16.5.4",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "198.18.0.1",
            "192.0.2.7",
            "::",
            "::1",
            "fe80::1",
            "fe80::1%eth0",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "2001:db8::1",
            "::ffff:127.0.0.1",
            "::ffff:10.1.2.3",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::1",
            "2002:a00:1::",
            "fec0::1",
            "192.0.0.8",
            "64:ff9b:1::808:808",
            "not an address",
            "",
        ],
    )
    def test_these_are_never_connected_to(self, address: str) -> None:
        assert not is_public(address)

    @pytest.mark.parametrize(
        "address", ["93.184.216.34", "8.8.8.8", "2606:2800:220:1::1", "::ffff:8.8.8.8", "64:ff9b::808:808"]
    )
    def test_these_are_public(self, address: str) -> None:
        assert is_public(address)

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f000001", "2130706433", "127.1", "[::1]"])
    def test_every_spelling_of_this_machine_is_refused_before_a_packet(
        self, site: WebSite, host: str
    ) -> None:
        port = site.address.rpartition(":")[2]
        with pytest.raises((UrlAddressPrivate, UrlUnreachable)):
            Fetcher(limits=LIMITS).get(parse_url(f"http://{host}:{port}/"))
        assert site.asked == []

    def test_one_private_address_among_public_ones_refuses_the_name(self) -> None:
        fetcher = Fetcher(limits=LIMITS, resolve=lambda host, port: ["93.184.216.34", "10.0.0.1"])
        with pytest.raises(UrlAddressPrivate, match=r"10\.0\.0\.1"):
            fetcher.get(parse_url("http://mixed.example/"))

    def test_a_name_that_changes_its_mind_is_asked_once_and_connected_to_what_was_checked(
        self, site: WebSite, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """DNS rebinding: public when it is checked, this machine a moment later."""
        site.html("/", "secret of the machine")
        port = int(site.address.rpartition(":")[2])
        answers = [["192.0.2.1"], ["127.0.0.1"]]
        asked: list[str] = []
        connected: list[tuple[str, int]] = []

        def rebinding(host: str, _: int) -> list[str]:
            asked.append(host)
            return answers[min(len(asked), len(answers)) - 1]

        def connect(target: tuple[str, int], timeout: float | None = None) -> socket.socket:
            connected.append(target)
            raise ConnectionRefusedError("nobody is there")

        monkeypatch.setattr(socket, "create_connection", connect)
        fetcher = Fetcher(
            limits=LIMITS, resolve=rebinding, may_connect=lambda address: address == "192.0.2.1"
        )
        with pytest.raises(UrlUnreachable):
            fetcher.get(parse_url(f"http://rebinding.example:{port}/"))
        assert asked == ["rebinding.example"]
        assert connected == [("192.0.2.1", port)]
        with pytest.raises(UrlAddressPrivate):
            fetcher.get(parse_url(f"http://rebinding.example:{port}/"))
        assert connected == [("192.0.2.1", port)]
        assert site.asked == []

    def test_the_site_is_told_the_name_and_not_the_address(self, site: WebSite) -> None:
        hosts: list[str | None] = []

        def handle(request: BaseHTTPRequestHandler) -> None:
            hosts.append(request.headers["Host"])
            request.send_error(404)

        site.pages["/"] = handle
        port = site.address.rpartition(":")[2]
        reader(resolve=lambda host, _: ["127.0.0.1"]).get(parse_url(f"http://pages.example:{port}/"))
        assert hosts == [f"pages.example:{port}"]

    @pytest.mark.parametrize(
        "target", ["http://127.0.0.2:9/", "http://[::1]:9/", "http://169.254.169.254/latest/meta-data/"]
    )
    def test_a_redirect_to_a_private_address_is_refused(self, site: WebSite, target: str) -> None:
        site.redirect("/", target)
        assert refusal(site, "/").code == "url_address_private"

    @pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/", "gopher://x/"])
    def test_a_redirect_to_another_scheme_is_refused(self, site: WebSite, target: str) -> None:
        site.redirect("/", target)
        assert refusal(site, "/").code == "url_invalid"


class TestUrls:
    @pytest.mark.parametrize(
        "text",
        [
            "",
            "handbook.pdf",
            "file:///etc/passwd",
            "ftp://example.org/",
            "javascript:alert(1)",
            "http://",
            "http://example.org:99999/",
            "http://user:secret@example.org/",
            "http://[::1",
            f"http://example.org/{'a' * 1000}",
            f"http://{'a' * 70}.org/",
        ],
    )
    def test_what_is_no_address_is_refused(self, text: str) -> None:
        with pytest.raises(UrlInvalid):
            parse_url(text)

    def test_addresses_are_normalised(self) -> None:
        assert str(parse_url("HTTP://Example.ORG:80#top")) == "http://example.org/"
        assert str(parse_url("https://exämple.org/ä b?q=ü#x")) == (
            "https://xn--exmple-cua.org/%C3%A4%20b?q=%C3%BC"
        )
        assert str(parse_url("../c?d", parse_url("http://a.org:8080/x/y"))) == "http://a.org:8080/c?d"
        assert "\n" not in str(parse_url("http://a.org/x\r\nHost: evil"))


class TestFetching:
    def test_redirects_are_followed_and_counted(self, site: WebSite) -> None:
        site.html("/end", "arrived")
        for number in range(8):
            site.redirect(f"/{number}", f"/{number + 1}" if number < 7 else "/end", 301 if number else 308)
        assert b"arrived" in visit(site, "/3")
        assert refusal(site, "/0").code == "url_status"

    @pytest.mark.parametrize("status", [401, 403, 404, 410, 500, 503])
    def test_a_status_is_named(self, site: WebSite, status: int) -> None:
        site.send("/", b"sorry", "text/html", status)
        error = refusal(site, "/")
        assert (error.code, error.details) == ("url_status", {"status": status})

    @pytest.mark.parametrize(
        ("kind", "path", "accepted"),
        [
            ("text/html", "/", True),
            ("text/plain; charset=utf-8", "/", True),
            ("application/pdf", "/", True),
            ("application/octet-stream", "/report.pdf", True),
            ("application/octet-stream", "/report", False),
            ("image/png", "/", False),
            ("video/mp4", "/film.pdf", False),
        ],
    )
    def test_only_documents_are_taken(self, site: WebSite, kind: str, path: str, accepted: bool) -> None:
        site.send(path, b"%PDF-1.7 or not", kind)
        if accepted:
            assert visit(site, path)
        else:
            assert refusal(site, path).code == "url_type_unsupported"

    def test_what_was_compressed_all_the_same_is_refused(self, site: WebSite) -> None:
        site.html("/", "bomb", Content_Encoding="gzip")
        assert refusal(site, "/").code == "url_type_unsupported"

    def test_too_large_is_refused_by_its_length_and_by_its_bytes(self, site: WebSite) -> None:
        site.send("/said", b"x", "text/plain", Content_Length="100001")

        def endless(request: BaseHTTPRequestHandler) -> None:
            request.send_response(200)
            request.end_headers()
            for _ in range(100):
                request.wfile.write(b"x" * 10_000)

        site.pages["/endless"] = endless
        for path in ("/said", "/endless"):
            with pytest.raises(UrlTooLarge, match="100,000"):
                visit(site, path)

    @pytest.mark.parametrize("part", ["headers", "body"])
    def test_a_site_that_drips_bytes_is_cut_off(self, site: WebSite, part: str) -> None:
        def drip(request: BaseHTTPRequestHandler) -> None:
            request.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n")
            request.wfile.write(b"\r\n" if part == "body" else b"X-Slow: ")
            for _ in range(200):
                request.wfile.write(b"x")
                time.sleep(0.05)

        site.pages["/"] = drip
        started = time.monotonic()
        with pytest.raises(UrlTimeout):
            visit(site, "/", reader(limits=FetchLimits(total_s=0.4)))
        assert time.monotonic() - started < 5

    def test_a_handshake_that_drips_bytes_is_cut_off(self) -> None:
        """TLS is spoken before the first byte of HTTP: it counts, too."""
        with socket.create_server(("127.0.0.1", 0)) as server:

            def drip() -> None:
                peer, _ = server.accept()
                with peer, contextlib.suppress(OSError):
                    peer.sendall(b"\x16\x03\x03\x40\x00")  # a handshake record of 16 kB
                    for _ in range(100):
                        peer.sendall(b"\0")
                        time.sleep(0.05)

            threading.Thread(target=drip, daemon=True).start()
            started = time.monotonic()
            with pytest.raises(UrlTimeout):
                reader(limits=FetchLimits(total_s=0.4)).get(
                    parse_url(f"https://127.0.0.1:{server.getsockname()[1]}/")
                )
            assert time.monotonic() - started < 3

    def test_many_addresses_where_nobody_answers_share_the_time(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def silence(target: tuple[str, int], timeout: float) -> socket.socket:
            time.sleep(timeout)
            raise TimeoutError

        monkeypatch.setattr(socket, "create_connection", silence)
        fetcher = reader(
            resolve=lambda host, port: [f"93.184.216.{number}" for number in range(1, 200)],
            limits=FetchLimits(connect_s=0.1, total_s=0.4),
        )
        started = time.monotonic()
        with pytest.raises(UrlTimeout):
            fetcher.get(parse_url("http://silent.example/"))
        assert time.monotonic() - started < 3

    def test_a_site_that_is_not_there(self) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
        with pytest.raises(UrlUnreachable):
            reader().get(parse_url(f"http://127.0.0.1:{port}/"))
        with pytest.raises(UrlUnreachable, match="nowhere"):
            reader(resolve=lambda host, port: []).get(parse_url("http://nobody.example/"))

    @pytest.mark.parametrize("path", ["/", "/robots.txt"])
    def test_what_breaks_off_before_its_end_is_refused(self, site: WebSite, path: str) -> None:
        site.html("/", "whole")
        site.send(path, b"User-agent: *\n", "text/plain", Content_Length="100")
        error = refusal(site, "/")
        assert error.code == "url_unreachable"
        assert "broke off 86 bytes before the end" in error.cause

    def test_a_site_that_does_not_speak_http(self, site: WebSite) -> None:
        site.pages["/robots.txt"] = lambda request: request.wfile.write(b"\0\1\2 garbage\r\n\r\n") and None
        assert refusal(site, "/").code == "url_unreachable"


class TestCrawling:
    def crawled(self, site: WebSite, path: str = "/", **limits: object) -> dict[str, Visited]:
        limit = CrawlLimits(**{"depth": 3, "pages": 50, **limits})  # type: ignore[arg-type]
        found = crawl(Visitor(reader()), parse_url(site.address + path), limit, pause=lambda _: None)
        return {str(visited.url).removeprefix(site.address): visited for visited in found}

    def test_links_of_the_same_site_are_followed_to_the_depth(self, site: WebSite) -> None:
        site.html("/", '<a href="/a">a</a><a href="b#x">b</a><a href="http://elsewhere.example/">no</a>')
        site.html("/a", '<a href="/a/deep">deep</a><a href="/">back</a><a href="mailto:x@y.z">mail</a>')
        site.html("/b", '<a href="/a">again</a><a rel="nofollow" href="/ads">ad</a>')
        site.html("/a/deep", '<a href="/deeper">deeper</a>')
        site.html("/deeper", "the end")
        assert list(self.crawled(site, depth=0)) == ["/"]
        assert list(self.crawled(site, depth=1)) == ["/", "/a", "/b"]
        site.asked.clear()
        assert list(self.crawled(site)) == ["/", "/a", "/b", "/a/deep", "/deeper"]
        assert sorted(site.asked) == sorted({*site.asked}), "nothing is asked for twice"

    def test_it_stops_at_the_number_of_pages_and_at_the_time(
        self, site: WebSite, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        site.html("/", "".join(f'<a href="/{n}">n</a>' for n in range(20)))
        for number in range(20):
            site.html(f"/{number}", "page")
        assert len(self.crawled(site, pages=7)) == 7
        clock = iter(range(0, 1000, 10))
        monkeypatch.setattr(crawling.time, "monotonic", lambda: float(next(clock)))
        [*_, last] = self.crawled(site, seconds=35).values()
        assert isinstance(last.error, UrlTimeout)

    def test_a_broken_link_does_not_end_it(self, site: WebSite) -> None:
        site.html("/", '<a href="/gone">gone</a><a href="/here">here</a><a href="/away">away</a>')
        site.html("/here", "here")
        site.redirect("/away", "http://169.254.169.254/")
        found = self.crawled(site)
        assert found["/here"].page is not None
        assert found["/gone"].error is not None
        assert isinstance(found["/away"].error, UrlAddressPrivate)

    def test_two_addresses_of_one_page_are_one_page(self, site: WebSite) -> None:
        site.html("/", '<a href="/old">old</a><a href="/new">new</a><a href="/index">index</a>')
        site.html("/new", "new")
        site.redirect("/old", "/new")
        site.redirect("/index", "/")
        assert list(self.crawled(site)) == ["/", "/new"]

    def test_it_waits_between_requests_as_long_as_the_site_asks(self, site: WebSite) -> None:
        site.send("/robots.txt", b"User-agent: *\nCrawl-delay: 3", "text/plain")
        site.html("/", '<a href="/a">a</a>')
        site.html("/a", "a")
        pauses: list[float] = []
        list(crawl(Visitor(reader()), parse_url(site.address), CrawlLimits(1, 9), pause=pauses.append))
        assert pauses == [3.0]

    def test_it_waits_before_addresses_that_lead_to_one_page(self, site: WebSite) -> None:
        site.html("/", "".join(f'<a href="/{number}">private</a>' for number in range(5)))
        site.html("/login", "log in")
        for number in range(5):
            site.redirect(f"/{number}", "/login")
        pauses: list[float] = []
        found = crawl(Visitor(reader()), parse_url(site.address), CrawlLimits(1, 9), pause=pauses.append)
        assert len(list(found)) == 2
        assert pauses == [crawling.PAUSE_S] * 5

    def test_a_site_is_where_its_first_page_is_found(self, site: WebSite) -> None:
        with serving() as home:
            site.redirect("/", f"{home.address}/")
            home.html("/", '<a href="/about">about</a><a href="/old">old</a>')
            home.redirect("/about", "/about/")
            home.html("/about/", "about")
            home.redirect("/old", f"{site.address}/old")
            site.html("/old", "elsewhere")
            found = self.crawled(site)
        assert list(found) == ["/", f"{home.address}/about"]
        page = found[f"{home.address}/about"].page
        assert page is not None
        assert str(page.url) == f"{home.address}/about/"


@pytest.fixture
def client(
    settings: Settings, build: Callable[[Settings], Services], monkeypatch: pytest.MonkeyPatch
) -> Iterator[TestClient]:
    monkeypatch.setattr(crawling, "PAUSE_S", 0.0)
    app = create_app(settings, build)
    app.dependency_overrides[get_fetcher] = lambda: reader()
    with client_of(app) as test_client:
        yield test_client


def test_the_command_reads_to_the_end_and_citations_can_show_the_address(
    services: Services, site: WebSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crawling, "PAUSE_S", 0.0)
    site.html("/", '<p>Everyone has 28 days of leave in each year.</p><a href="/gone">gone</a>')
    told: list[str] = []
    rows = ingest_site(services, site.address, "Default", CrawlLimits(1, 5), told.append, reader())
    assert [(row["file"], row["status"]) for row in rows] == [
        (f"{site.address}/", "ready"),
        (f"{site.address}/gone", "failed"),
    ]
    assert rows[1]["error"]["code"] == "url_status"
    with services.sessions() as session:
        user = local_account(session)
        catch_up(session, services.index)
        access = access_filter(session, user, None, None, services.index)
        [hit, *_] = services.index.bm25("leave", 1, access)
        chunk = load_chunks(session, user)([hit.chunk_id])[hit.chunk_id]
    assert chunk.file_name == f"{site.address}/"
    assert "28 days" in chunk.text


class TestEndpoint:
    def read(self, client: TestClient, url: str, **body: object) -> list[dict[str, object]]:
        read = read_to_end(client, url, **body)
        assert read["status"] == "done", read
        documents: list[dict[str, object]] = read["documents"]
        return documents

    def test_pages_become_documents_named_by_their_address(self, client: TestClient, site: WebSite) -> None:
        site.html("/", '<h1>Leave</h1><p>Everyone has 28 days of leave.</p><a href="/pay">pay</a>')
        site.html("/pay", "<p>Pay day is the 25th.</p>")
        found = self.read(client, site.address, depth=1, pages=5)
        assert [item["status"] for item in found] == ["queued", "queued"]
        listed = client.get("/v1/documents").json()["items"]
        assert {item["file_name"] for item in listed} == {f"{site.address}/", f"{site.address}/pay"}

    def test_the_same_page_again_is_a_duplicate_and_a_changed_one_a_new_version(
        self, client: TestClient, site: WebSite
    ) -> None:
        site.html("/", "first")
        [first] = self.read(client, site.address)
        [again] = self.read(client, site.address)
        site.html("/", "second")
        [changed] = self.read(client, site.address)
        assert (again["status"], again["document_id"]) == ("duplicate", first["document_id"])
        assert (changed["status"], changed["document_id"]) == ("queued", first["document_id"])
        assert changed["version"] == 2

    def test_refusals_have_their_code(self, client: TestClient, site: WebSite) -> None:
        for url, code in (
            ("http://169.254.169.254/latest/meta-data/", "url_address_private"),
            (f"{site.address}/nothing", "url_status"),
        ):
            read = read_to_end(client, url)
            assert (read["status"], read["error"]["code"]) == ("failed", code)
            assert read["error"]["stage"] == "fetched"
        invalid = client.post("/v1/collections/1/urls", json={"url": "file:///etc/passwd"})
        assert (invalid.status_code, invalid.json()["code"]) == (422, "url_invalid")
        assert client.post("/v1/collections/99/urls", json={"url": site.address}).status_code == 404
        for wrong in ({"depth": 6}, {"pages": 0}, {"pages": 101}, {"more": 1}):
            response = client.post("/v1/collections/1/urls", json={"url": site.address, **wrong})
            assert response.status_code == 422
        assert client.get("/v1/documents").json()["total"] == 0

    def test_without_the_allowance_of_the_tests_loopback_is_refused(
        self, settings: Settings, build: Callable[[Settings], Services], site: WebSite
    ) -> None:
        site.html("/", "secret")
        with client_of(create_app(settings, build)) as ordinary:
            read = read_to_end(ordinary, site.address)
        assert (read["status"], read["error"]["code"]) == ("failed", "url_address_private")
        assert site.asked == []
