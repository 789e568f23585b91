"""One thread owns the device: every model call goes through it, so calls never fight over the cores.

Short calls (encode, rerank) run between the steps of generation, and one step advances every stream at once,
so a long answer does not hold up a short question for longer than one step. A stream that begins or is
abandoned asks the step under way to end early. Calls do not: a flow of them would all but stop the prompts.
Calls and streams are bounded apart: beyond its bound either is refused at once with `Overloaded`, and an
answer that was written is not lost at its check because others wait to be written.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from app.errors import NotReady, Overloaded

log = logging.getLogger(__name__)

T = TypeVar("T")


def no_step() -> None:
    """The step of a worker that only takes calls."""


def never() -> bool:
    """The cancellation check of a reader who never cancels."""
    return False


class Signal(Protocol):
    """What a step may look at while it runs, such as a `threading.Event`."""

    def set(self) -> None:
        """Streams have changed."""
        ...

    def clear(self) -> None:
        """They are as the next step finds them."""
        ...


@dataclass(slots=True)
class _Call:
    function: Callable[[], Any]
    future: Future[Any]


@dataclass(slots=True)
class _End:
    error: Exception | None = None


class Stream(Generic[T]):
    """Carries items from the device thread to one reader."""

    def __init__(
        self,
        start: Callable[[Stream[T]], None],
        cancelled: Callable[[], bool],
        ended: Callable[[Stream[T]], None],
        changed: Signal,
    ) -> None:
        self.start = start
        self._cancelled = cancelled
        self._ended = ended
        self._changed = changed
        self._items: queue.SimpleQueue[T | _End] = queue.SimpleQueue()
        self._abandoned = threading.Event()

    def put(self, item: T) -> None:
        """The next item."""
        self._items.put(item)

    def end(self, error: Exception | None = None) -> None:
        """Nothing follows; the reader gets the error, if there is one. Called in the device thread."""
        self._ended(self)  # before the reader wakes: he may ask again at once
        self._items.put(_End(error))

    def cancelled(self) -> bool:
        """True when the reader has gone or wants no more."""
        return self._abandoned.is_set() or self._cancelled()

    def read(self) -> Iterator[T]:
        """The items as they come; closing the iterator abandons the stream."""
        try:
            while not isinstance(item := self._items.get(), _End):
                yield item
            if item.error is not None:
                raise item.error
        except GeneratorExit:
            self._abandoned.set()
            self._changed.set()
            raise
        finally:
            self._abandoned.set()  # a source whose step failed for all may still hold it


class DeviceWorker:
    """Runs model calls one at a time, and steps of generation between them, in one thread."""

    def __init__(
        self, max_pending: int, step: Callable[[], object] = no_step, changed: Signal | None = None
    ) -> None:
        """`max_pending` calls, and as many streams, are accepted at a time.

        `step` advances all that streams have started; it is called as long as there is a stream without end.
        A step that finds `changed` set had better end soon.
        """
        self._max_pending = max_pending
        self._step = step
        self._changed: Signal = threading.Event() if changed is None else changed
        self._inbox: queue.SimpleQueue[_Call | Stream[Any] | None] = queue.SimpleQueue()
        self._streams: set[Stream[Any]] = set()  # started, not ended; of the device thread
        self._calls = self._accepted_streams = 0
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="device", daemon=True)
        self._thread.start()

    def call(self, function: Callable[[], T]) -> T:
        """The function's result, computed in the device thread.

        Raises Overloaded when too many are pending, NotReady after close, and whatever the function raises.
        """
        future: Future[T] = Future()
        with self._lock:
            self._check(self._calls, "model calls")
            self._calls += 1
            self._inbox.put(_Call(function, future))
        return future.result()

    def stream(
        self, start: Callable[[Stream[T]], None], cancelled: Callable[[], bool] = never
    ) -> Iterator[T]:
        """What steps put into the stream, once `start` has handed it over in the device thread.

        Closing the iterator abandons the stream within one step; so does `cancelled`. Raises as `call` does.
        """
        stream = Stream(start, cancelled, self._forget, self._changed)
        with self._lock:
            self._check(self._accepted_streams, "answers")
            self._accepted_streams += 1
            self._inbox.put(stream)
        self._changed.set()
        return stream.read()

    @property
    def pending(self) -> int:
        """Calls and streams accepted and not finished."""
        return self._calls + self._accepted_streams

    def close(self) -> None:
        """Stops the thread; whoever still waits gets NotReady."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._inbox.put(None)
        self._thread.join(timeout=30)

    def _check(self, pending: int, what: str) -> None:
        if self._closed:
            raise NotReady("The models are shutting down.")
        if pending >= self._max_pending:
            raise Overloaded(f"{pending} {what} are pending already.")

    def _run(self) -> None:
        while self._take(wait=not self._streams):
            if self._streams:
                self._advance()
        self._refuse_rest()

    def _take(self, wait: bool) -> bool:
        """Handles what is there by now, lest a flow of calls hold up the steps; False when told to stop."""
        self._changed.clear()  # before the look: what comes after it sets it again
        for _ in range(max(self._inbox.qsize(), int(wait))):
            item = self._inbox.get()
            if item is None:
                return False
            if isinstance(item, Stream):
                self._begin(item)
            else:
                self._finish(item)
        return True

    def _begin(self, stream: Stream[Any]) -> None:
        self._streams.add(stream)
        try:
            stream.start(stream)
        except Exception as error:  # noqa: BLE001 - handed to the waiting reader
            stream.end(error)

    def _advance(self) -> None:
        """One step; one that fails ends every stream with its error."""
        try:
            self._step()
        except Exception as error:
            log.exception("a step of generation failed")
            for stream in list(self._streams):
                stream.end(error)

    def _forget(self, stream: Stream[Any]) -> None:
        if stream not in self._streams:
            return  # a step failed for all, and its source says so again
        self._streams.remove(stream)
        with self._lock:
            self._accepted_streams -= 1

    def _finish(self, call: _Call) -> None:
        try:
            result = call.function()
        except Exception as error:  # noqa: BLE001 - handed to the waiting caller
            self._done()
            call.future.set_exception(error)
        else:
            self._done()  # before the caller wakes: it may call again at once
            call.future.set_result(result)

    def _done(self) -> None:
        with self._lock:
            self._calls -= 1

    def _refuse_rest(self) -> None:
        """Nothing comes after the stop mark: what is before it was handled, and nothing is accepted since."""
        closed = NotReady("The models are shutting down.")
        for stream in list(self._streams):
            stream.end(closed)
