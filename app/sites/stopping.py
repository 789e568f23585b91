"""Waiting that can be ended: for a site's answer, and between two requests."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait

from app.sites.fetching import Fetcher, Response
from app.sites.urls import Url

LOOK_S = 0.05  # between two looks at whether to stop

Check = Callable[[], None]
"""Raises ReadStopped once the read is to end."""


class ReadStopped(Exception):
    """The read was cancelled, its collection was deleted, or this process ends."""


class StoppableFetcher:
    """Fetches in a thread beside the one that waits, because a name or a connection cannot be interrupted.

    What is given up so ends by the fetcher's own limits, and nobody gets its result.
    """

    def __init__(self, fetcher: Fetcher, check: Check) -> None:
        self._fetcher = fetcher
        self._check = check

    def get(self, url: Url, *, max_bytes: int | None = None, whole: bool = True) -> Response:
        """Like `Fetcher.get`; raises ReadStopped, too, and hangs up then."""
        self._check()
        answer: Future[Response] = Future()

        def fetch() -> None:
            try:
                answer.set_result(self._fetcher.get(url, max_bytes=max_bytes, whole=whole))
            except Exception as error:  # noqa: BLE001 - raised again where the answer is waited for
                answer.set_exception(error)

        threading.Thread(target=fetch, name="site-fetch", daemon=True).start()
        try:
            while not wait([answer], LOOK_S).done:
                self._check()
        except BaseException:
            self._fetcher.hang_up()
            raise
        return answer.result()


def pause(seconds: float, check: Check) -> None:
    """Sleeps so long; raises ReadStopped."""
    end_s = time.monotonic() + seconds
    while (left_s := end_s - time.monotonic()) > 0:
        check()
        time.sleep(min(left_s, LOOK_S))
