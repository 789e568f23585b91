"""Links of a page to pages of the same site (pure)."""

from __future__ import annotations

from selectolax.lexbor import LexborHTMLParser

from app.sites.errors import UrlInvalid
from app.sites.urls import Url, parse_url


def links_of(body: bytes, url: Url) -> list[Url]:
    """Addresses on the site of `url` in the order of the page, each once; `nofollow` is respected."""
    tree = LexborHTMLParser(body)
    robots = tree.css_first('meta[name="robots"]')
    if robots is not None and {"nofollow", "none"} & set(_words(robots.attributes.get("content"))):
        return []
    stated = tree.css_first("base[href]")
    base = (None if stated is None else _link(stated.attributes.get("href"), url)) or url
    found: dict[Url, None] = {}
    for anchor in tree.css("a[href]"):
        if "nofollow" in _words(anchor.attributes.get("rel")):
            continue
        link = _link(anchor.attributes.get("href"), base)
        if link is not None and link.site == url.site:
            found[link] = None
    return list(found)


def _link(href: str | None, base: Url) -> Url | None:
    try:
        return parse_url(href, base) if href else None
    except UrlInvalid:  # mailto:, javascript: and the like
        return None


def _words(value: str | None) -> list[str]:
    return (value or "").lower().replace(",", " ").split()
