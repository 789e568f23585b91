"""The service's reads of sites as typed methods."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import httpx

from ui.schemas import Failure, Read, Upload

Send = Callable[..., httpx.Response]
"""Method, path and options of a request; raises ApiError."""

MOST_SHOWN = 20  # the service keeps as many that are over


class SiteRead(Read):
    """A site that is being read, or was."""

    id: int
    url: str
    depth: int
    pages: int  # most that are read
    status: str
    cancel_requested: bool = False
    current: str | None = None  # the address in hand
    waiting: int = 0  # addresses that were found and not asked yet
    pages_left: int = 0
    size_bytes: int = 0
    elapsed_s: float = 0.0
    added: int = 0
    unchanged: int = 0
    refused: int = 0
    documents: tuple[Upload, ...] = ()  # one an address
    error: Failure | None = None
    created_at: datetime
    finished_at: datetime | None = None

    @property
    def is_running(self) -> bool:
        return self.status == "running"


class Sites:
    """Begin, follow, stop and put away."""

    def __init__(self, send: Send) -> None:
        self._send = send

    def start(self, collection_id: int, url: str, *, depth: int, pages: int) -> None:
        """Has a page read, and pages of its site up to `depth` links away."""
        body = {"url": url, "depth": depth, "pages": pages}
        self._send("POST", f"/v1/collections/{collection_id}/urls", json=body)

    def reads(self, collection_id: int) -> list[SiteRead]:
        """Latest first, those that are over too."""
        params = {"collection_id": collection_id, "limit": MOST_SHOWN}
        found = self._send("GET", "/v1/site-reads", params=params).json()["items"]
        return [SiteRead.model_validate(each) for each in found]

    def cancel(self, read_id: int) -> None:
        self._send("POST", f"/v1/site-reads/{read_id}/cancel")

    def delete(self, read_id: int) -> None:
        """Removes one that is over; its documents stay."""
        self._send("DELETE", f"/v1/site-reads/{read_id}")
