"""Addresses on the web, checked and normalised (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

from app.sites.errors import UrlInvalid

LONGEST = 1000  # width of `documents.file_name`, which an address becomes
_PORTS = {"http": 80, "https": 443}
_PATH = "/%:@!$&'()*+,;=~-._?"  # stays as it is, RFC 3986 section 3.3 and 3.4


@dataclass(frozen=True, slots=True)
class Url:
    """One resource; the fragment is gone, the host is in lower case and ASCII."""

    scheme: str
    host: str
    port: int
    target: str  # path and query, percent-encoded, never empty

    @property
    def site(self) -> tuple[str, str, int]:
        """What must be equal for two addresses to be of one site."""
        return self.scheme, self.host, self.port

    @property
    def authority(self) -> str:
        """Host, with the port where it is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


def parse_url(text: str, base: Url | None = None) -> Url:
    """The address in `text`, relative to `base` where there is one; raises UrlInvalid."""
    try:
        parts = urlsplit(urljoin(str(base), text.strip()) if base else text.strip())
        port = parts.port
        host = (parts.hostname or "").rstrip(".")
        if ":" not in host:
            host = host.encode("idna").decode("ascii").lower()
    except ValueError as error:  # UnicodeError is one
        raise UrlInvalid(f"{_short(text)} is not an address: {error}.") from error
    if parts.scheme not in _PORTS or not host:
        raise UrlInvalid(f"{_short(text)} is not an address of a site.")
    if parts.username is not None or parts.password is not None:
        raise UrlInvalid("An address with a user name or password in it is not read.")
    target = encoded(parts.path or "/")
    if parts.query:
        target += "?" + encoded(parts.query)
    url = Url(parts.scheme, host, port or _PORTS[parts.scheme], target)
    if len(str(url)) > LONGEST:
        raise UrlInvalid(f"The address is longer than {LONGEST} characters.")
    return url


def encoded(text: str) -> str:
    """Path or query as it is sent, in ASCII; what is encoded already stays."""
    return quote(text, safe=_PATH)


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else f"{text[:80]}…")
