"""One request to one site, along a connection that can only lead where it was checked to lead.

The name is resolved once, every address of the answer is judged, and the connection is made to that address
itself. A name that resolves to something else a moment later (DNS rebinding) is never asked again.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.metadata import version

from app.sites.addresses import MayConnect, is_public
from app.sites.errors import UrlAddressPrivate, UrlTimeout, UrlTooLarge, UrlUnreachable
from app.sites.urls import Url

Resolve = Callable[[str, int], list[str]]
"""Host and port to the IP addresses of the answer; raises OSError when there is none."""

_BLOCK_BYTES = 64 * 1024
_HEADERS = {
    "User-Agent": f"Footnote/{version('footnote')}",
    "Accept": "text/html, application/pdf, text/*;q=0.9, */*;q=0.5",
    "Accept-Encoding": "identity",  # what is compressed could unpack to any size
    "Connection": "close",
}


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """Of one request."""

    max_bytes: int = 50 * 1024**2
    connect_s: float = 10.0
    total_s: float = 30.0  # from the first packet to the last, however slowly they come


@dataclass(frozen=True, slots=True)
class Response:
    """What the site sent."""

    url: Url
    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes


def resolve(host: str, port: int) -> list[str]:
    """Asks the system's resolver."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Fetcher:
    """`may_connect` is a parameter for tests that serve from loopback; nothing else should change it."""

    def __init__(
        self,
        *,
        limits: FetchLimits | None = None,
        resolve: Resolve = resolve,
        may_connect: MayConnect = is_public,
    ) -> None:
        self._limits = limits or FetchLimits()
        self._resolve = resolve
        self._may_connect = may_connect
        self._tls = ssl.create_default_context()
        self._connection: _PinnedConnection | None = None  # the last one
        self._hung_up = False

    def hang_up(self) -> None:
        """Cuts the request under way, from another thread; this fetcher makes none from here on."""
        self._hung_up = True
        if self._connection is not None:
            self._connection.cut()

    def get(self, url: Url, *, max_bytes: int | None = None, whole: bool = True) -> Response:
        """One GET, no redirect followed; without `whole` the beginning of a body that is too large is enough.

        Raises UrlAddressPrivate, UrlUnreachable, UrlTimeout or UrlTooLarge.
        """
        addresses = self._checked_addresses(url)
        deadline_s = time.monotonic() + self._limits.total_s
        try:
            connection = self._connection = _PinnedConnection(url, self._limits.connect_s, self._tls)
            if self._hung_up:
                raise ConnectionAbortedError("it was stopped")
            with closing(connection), _closing_at(connection, deadline_s):
                connection.connect_to(addresses, deadline_s)
                connection.request("GET", url.target, headers={"Host": url.authority, **_HEADERS})
                response = connection.getresponse()
                body = _read(response, url, max_bytes or self._limits.max_bytes, deadline_s, whole=whole)
        except (OSError, http.client.HTTPException, ValueError) as error:
            if isinstance(error, TimeoutError) or time.monotonic() >= deadline_s:
                raise UrlTimeout(f"{url} did not answer within {self._limits.total_s:g} s.") from error
            raise UrlUnreachable(f"{url} could not be read: {_reason(error)}.") from error
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Response(url, response.status, headers, body)

    def _checked_addresses(self, url: Url) -> list[str]:
        """Where the name leads; one forbidden address refuses them all."""
        try:
            addresses = self._resolve(url.host, url.port)
        except (OSError, UnicodeError) as error:
            raise UrlUnreachable(f"The name {url.host} leads nowhere: {_reason(error)}.") from error
        for address in addresses:
            if not self._may_connect(address):
                raise UrlAddressPrivate(f"{url.host} leads to {address}, which is not a public address.")
        if not addresses:
            raise UrlUnreachable(f"The name {url.host} leads nowhere.")
        return addresses


class _PinnedConnection(http.client.HTTPConnection):
    """Speaks to an address that was given, by the name that was asked for."""

    def __init__(self, url: Url, timeout_s: float, tls: ssl.SSLContext) -> None:
        super().__init__(url.host, url.port, timeout=timeout_s)
        self._url = url
        self._connect_s = timeout_s
        self._tls = tls
        self.auto_open = 0  # a lost connection is never opened again by name
        self.plain: socket.socket | None = None
        self._is_cut = False

    def cut(self) -> None:
        """Ends whatever waits for the other side, from another thread."""
        self._is_cut = True
        try:
            if self.plain is not None:
                self.plain.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it ended at the same moment

    def connect_to(self, addresses: list[str], deadline_s: float) -> None:
        """Connects to the first address that answers; raises the last one's OSError, or TimeoutError."""
        self.sock = self.plain = self._first_that_answers(addresses, deadline_s)
        if self._is_cut:  # while there was no connection to cut
            raise ConnectionAbortedError("it was cut")
        if self._url.scheme == "https":
            tls = self._tls.wrap_socket(
                self.plain, server_hostname=self._url.host, do_handshake_on_connect=False
            )
            self.sock = self.plain = tls  # known before the handshake, so that this can be cut, too
            tls.do_handshake()

    def _first_that_answers(self, addresses: list[str], deadline_s: float) -> socket.socket:
        """However many there are, they share the time."""
        failure: OSError = TimeoutError()
        for address in addresses:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            try:
                plain = socket.create_connection((address, self._url.port), min(self._connect_s, left_s))
            except OSError as error:
                failure = error
            else:
                plain.settimeout(self._connect_s)
                return plain
        raise failure


@contextmanager
def _closing_at(connection: _PinnedConnection, deadline_s: float) -> Iterator[None]:
    """Cuts the connection at the deadline, so that a site that drips bytes cannot hold us."""
    timer = threading.Timer(max(0.0, deadline_s - time.monotonic()), connection.cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _read(
    response: http.client.HTTPResponse, url: Url, max_bytes: int, deadline_s: float, *, whole: bool
) -> bytes:
    """The body, refused as soon as it is known to be too large, or without `whole` cut there."""
    declared = (response.length or 0) if whole else 0
    blocks, total = [], 0
    while total <= max_bytes and declared <= max_bytes and (block := response.read(_BLOCK_BYTES)):
        total += len(block)
        blocks.append(block)
    if whole and max(total, declared) > max_bytes:
        raise UrlTooLarge(f"{url} has more than {max_bytes:,} bytes.")
    if time.monotonic() >= deadline_s:  # what was cut looks complete where no length was declared
        raise TimeoutError
    if total <= max_bytes and response.length:  # the site broke off: less came than it declared
        raise ConnectionAbortedError(f"it broke off {response.length:,} bytes before the end")
    return b"".join(blocks)[:max_bytes]


def _reason(error: Exception) -> str:
    return str(error).strip().rstrip(".") or type(error).__name__
