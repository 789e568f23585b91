"""Walks a site from one page on, breadth first, within limits."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from app.errors import AppError
from app.sites.errors import UrlTimeout
from app.sites.links import links_of
from app.sites.urls import Url
from app.sites.visiting import Page, Visitor

PAUSE_S = 0.5  # between two requests to one site, where it does not ask for more


@dataclass(frozen=True, slots=True)
class CrawlLimits:
    """How far a reading goes; the defaults read one page."""

    depth: int = 0  # links away from the first page
    pages: int = 1
    seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class Visited:
    """One address with its page, or why there is none."""

    url: Url
    page: Page | None = None
    error: AppError | None = None
    waiting: int = 0  # addresses that are known and were not asked yet


Begin = Callable[[Url], None]
"""Told which address is asked next."""
Pause = Callable[[float], None]
"""Waits so many seconds."""


def unwatched(_: Url) -> None:
    """Nobody is told."""


def crawl(
    visitor: Visitor,
    start: Url,
    limits: CrawlLimits,
    *,
    begin: Begin = unwatched,
    pause: Pause = time.sleep,
) -> Iterator[Visited]:
    """The pages of the site in the order of their distance; every address is asked once.

    The site is the one where the first page is found: `example.org` may redirect to `www.example.org`. Pages
    that redirect away from it, or to one that was read, are left out. Stops without a word at `pages`; at
    `seconds` the last entry is the address that was next, with UrlTimeout.
    """
    deadline_s = time.monotonic() + limits.seconds
    waiting, seen, read = deque([(start, 0)]), {start}, 0
    home = start.site
    while waiting and read < limits.pages:
        url, depth = waiting.popleft()
        if depth:
            pause(max(PAUSE_S, visitor.robots(url).delay_s))
        if time.monotonic() >= deadline_s:
            slow = UrlTimeout(f"Reading the site took longer than {limits.seconds:g} s.")
            yield Visited(url, error=slow, waiting=len(waiting))
            return
        begin(url)
        page, error = _visit(visitor, url)
        if page is not None and not depth:
            home = page.url.site
        if page is not None and page.url != url:
            if page.url in seen or page.url.site != home:
                continue
            seen.add(page.url)
        read += 1
        if page is not None and page.has_links and depth < limits.depth:
            new = [link for link in links_of(page.body, page.url) if link not in seen]
            seen.update(new)
            waiting.extend((link, depth + 1) for link in new)
        yield Visited(url, page, error, len(waiting))


def _visit(visitor: Visitor, url: Url) -> tuple[Page | None, AppError | None]:
    try:
        return visitor.visit(url), None
    except AppError as error:
        return None, error
