"""Refuses what the page of another site makes a browser send here.

There are no accounts: whoever reaches the API may read and change everything, so a page of any site must not
reach it through the browser of somebody who can. A name that a site points at this address (DNS rebinding) is
refused by `Host`, what a site sends here by `Sec-Fetch-Site` (W3C Fetch Metadata), or by `Origin` where the
browser says only that. Programs send neither. Plain ASGI, so streams stay streams.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.error_handlers import respond
from app.errors import AppError, CrossSiteRequest, HostNotAllowed
from app.settings import Settings

ANY = "*"
CHANGES_NOTHING = frozenset({"GET", "HEAD", "OPTIONS"})


class TrustedHosts:
    """ASGI middleware; `names` are those of `allowed_names`."""

    def __init__(self, app: ASGIApp, names: frozenset[str]) -> None:
        self._app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        error = self._refusal(scope["method"], Headers(scope=scope)) if scope["type"] == "http" else None
        await (self._app if error is None else respond(error))(scope, receive, send)

    def _refusal(self, method: str, headers: Headers) -> AppError | None:
        host = host_name("//" + headers.get("host", ""))
        is_known = "host" not in headers or is_here(host) or host in self._names  # browsers always send one
        if ANY not in self._names and not is_known:
            return HostNotAllowed(f"The host name {host!r} is not allowed.")
        if method not in CHANGES_NOTHING and self._is_cross_site(host, headers):
            return CrossSiteRequest("The page of another site sent this.")
        return None

    def _is_cross_site(self, host: str, headers: Headers) -> bool:
        """Browsers send `Sec-Fetch-Site` to https and to this machine only; to others at least `Origin`."""
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site is not None or origin is None:
            return site == "cross-site"
        return host_name(origin) not in self._names | {host}


def allowed_names(settings: Settings) -> frozenset[str]:
    """Names by which the API may be called beside IP addresses and localhost; `*` among them is any."""
    names = (settings.host, *settings.allowed_hosts.split(","))
    urls = (settings.resolved_api_url, *(f"//{name.strip()}" for name in names))
    return frozenset(host_name(url) for url in urls) - {""}


def host_name(url: str) -> str:
    """The host name of a URL in small letters, without its last dot; empty where there is none. Pure."""
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:  # brackets around what is no IPv6 address
        return ""


def is_here(host: str) -> bool:
    """Whether a name can only be what it says: an IP address, or localhost (RFC 6761). Pure."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
