"""Counts requests and adds the headers that every response carries. Plain ASGI, so streams stay streams."""

from __future__ import annotations

import time

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.metrics import Metrics

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",  # a stored file is never run as something else
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}


class ObserveRequests:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500  # what the client sees when nothing was sent

        async def send_observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message).update(SECURITY_HEADERS)
            await send(message)

        started = time.perf_counter()
        try:
            await self._app(scope, receive, send_observed)
        finally:
            self._count(scope, status, time.perf_counter() - started)

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        """By route template: ids in paths would make one time series each."""
        route = getattr(scope.get("route"), "path", "unmatched")
        self._metrics.requests.labels(scope["method"], route, str(status)).inc()
        self._metrics.latency_s.labels(scope["method"], route).observe(seconds)
