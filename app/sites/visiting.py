"""Reads pages as a polite visitor: robots.txt first, redirects one at a time, only what can be a document."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Protocol

from app.sites.errors import UrlDisallowed, UrlStatus, UrlTypeUnsupported
from app.sites.fetching import Response
from app.sites.robots import NOTHING_ALLOWED, Robots, parse_robots
from app.sites.urls import Url, parse_url
from ingest.sniff import MEDIA_TYPES

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5
_ROBOTS_BYTES = 512 * 1024  # RFC 9309 asks for 500 KiB; what is behind them does not count
_PAGES = frozenset({"text/html", "application/xhtml+xml"})
_READABLE = frozenset({*MEDIA_TYPES.values(), *_PAGES})
_UNSAID = frozenset({"", "application/octet-stream", "binary/octet-stream", "application/x-download"})


@dataclass(frozen=True, slots=True)
class Page:
    """A document as the site sent it."""

    url: Url  # where the redirects ended
    media_type: str  # empty where the site says none
    body: bytes

    @property
    def has_links(self) -> bool:
        return self.media_type in _PAGES


class Fetches(Protocol):
    """What makes the requests: a `Fetcher`, or one that can be stopped."""

    def get(self, url: Url, *, max_bytes: int | None = None, whole: bool = True) -> Response: ...


class Visitor:
    """For one reading of a site; remembers what each site's robots.txt said."""

    def __init__(self, fetcher: Fetches) -> None:
        self._fetcher = fetcher
        self._robots: dict[tuple[str, str, int], Robots] = {}

    def visit(self, url: Url) -> Page:
        """The page behind `url`; every hop of its redirects is checked like the first.

        Raises the errors of `app.sites.errors`.
        """
        for _ in range(_MOST_REDIRECTS + 1):
            if not self.robots(url).allows(url.target):
                raise UrlDisallowed(f"The robots.txt of {url.host} does not allow {url}.")
            response = self._fetcher.get(url)
            if response.status not in _REDIRECTS:
                return _page(response)
            url = _location(response)
        raise UrlStatus(f"{url} is behind more than {_MOST_REDIRECTS} redirects.")

    def robots(self, url: Url) -> Robots:
        """What the site of `url` asks of us."""
        if url.site not in self._robots:
            self._robots[url.site] = self._read_robots(parse_url("/robots.txt", url))
        return self._robots[url.site]

    def _read_robots(self, url: Url) -> Robots:
        """RFC 9309, 2.3.1: nothing there allows everything, a site in trouble allows nothing."""
        for _ in range(_MOST_REDIRECTS + 1):
            response = self._fetcher.get(url, max_bytes=_ROBOTS_BYTES, whole=False)
            if response.status in _REDIRECTS:
                url = _location(response)
                continue
            if response.status >= 500:
                return NOTHING_ALLOWED
            found = response.status < 300
            return parse_robots(response.body.decode("utf-8-sig", errors="replace")) if found else Robots()
        return Robots()


def _location(response: Response) -> Url:
    location = response.headers.get("location")
    if not location:
        raise UrlStatus(f"{response.url} redirects to nowhere.")
    return parse_url(location, response.url)


def _page(response: Response) -> Page:
    """Raises UrlStatus for anything but a page, UrlTypeUnsupported for what is no document."""
    if not 200 <= response.status < 300:
        raise UrlStatus(f"{response.url} answered with status {response.status}.", status=response.status)
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise UrlTypeUnsupported(f"{response.url} was sent compressed, though that was declined.")
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not _is_readable(media_type, response.url):
        raise UrlTypeUnsupported(f"{response.url} is {media_type or 'of no kind'}, not a document.")
    return Page(response.url, media_type, response.body)


def _is_readable(media_type: str, url: Url) -> bool:
    """Kinds that a parser reads; where the site names none, the address has to end like a document."""
    if media_type in _UNSAID:
        return PurePosixPath(url.target.partition("?")[0]).suffix != "" or media_type == ""
    return media_type in _READABLE or media_type.startswith("text/") or media_type.endswith(("+xml", "+json"))
