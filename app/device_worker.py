"""One thread owns the device: every model call goes through it, so calls never fight over the cores.

Short calls (encode, rerank) run between the steps of the streams (generation), and streams advance in
turn, one item each, so a long answer does not hold up a short question for longer than one step.
The queue is bounded: beyond it a call is refused at once with `Overloaded`.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from app.errors import NotReady, Overloaded

T = TypeVar("T")


@dataclass(slots=True)
class _Call:
    function: Callable[[], Any]
    future: Future[Any]


@dataclass(slots=True)
class _End:
    error: BaseException | None = None


@dataclass(slots=True)
class _Stream(Generic[T]):
    make: Callable[[], Iterator[T]]
    items: queue.SimpleQueue[T | _End] = field(default_factory=queue.SimpleQueue)
    abandoned: threading.Event = field(default_factory=threading.Event)
    iterator: Iterator[T] | None = None

    def advance(self) -> bool:
        """Produces one item; False when the stream is over. Errors travel to the consumer."""
        if self.abandoned.is_set():
            self.iterator = None  # drops the generator, which releases its cache blocks
            return False
        try:
            if self.iterator is None:
                self.iterator = self.make()
            self.items.put(next(self.iterator))
        except StopIteration:
            self.items.put(_End())
        except Exception as error:  # noqa: BLE001 - handed to the waiting consumer
            self.items.put(_End(error))
        else:
            return True
        return False


class DeviceWorker:
    """Runs model calls one at a time in one thread."""

    def __init__(self, max_pending: int) -> None:
        self._max_pending = max_pending
        self._inbox: queue.SimpleQueue[_Call | _Stream[Any] | None] = queue.SimpleQueue()
        self._pending = 0
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="device", daemon=True)
        self._thread.start()

    def call(self, function: Callable[[], T]) -> T:
        """The function's result, computed in the device thread.

        Raises Overloaded when too many are pending, NotReady after close, and whatever the function raises.
        """
        future: Future[T] = Future()
        self._submit(_Call(function, future))
        return future.result()

    def stream(self, make: Callable[[], Iterator[T]]) -> Iterator[T]:
        """The items of the iterator that `make` builds, produced in the device thread.

        Closing the returned generator abandons the stream within one step.
        """
        stream = _Stream(make)
        self._submit(stream)
        return self._consume(stream)

    @property
    def pending(self) -> int:
        """Calls and streams accepted and not finished."""
        return self._pending

    def close(self) -> None:
        """Stops the thread; whoever still waits gets NotReady."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._inbox.put(None)
        self._thread.join(timeout=30)

    @staticmethod
    def _consume(stream: _Stream[T]) -> Iterator[T]:
        try:
            while not isinstance(item := stream.items.get(), _End):
                yield item
            if item.error is not None:
                raise item.error
        finally:
            stream.abandoned.set()

    def _submit(self, item: _Call | _Stream[Any]) -> None:
        with self._lock:
            if self._closed:
                raise NotReady("The models are shutting down.")
            if self._pending >= self._max_pending:
                raise Overloaded(f"{self._pending} model calls are pending already.")
            self._pending += 1
        self._inbox.put(item)

    def _run(self) -> None:
        streams: deque[_Stream[Any]] = deque()
        while True:
            if not self._take(streams):
                break
            if streams:
                stream = streams.popleft()
                if stream.advance():
                    streams.append(stream)
                else:
                    self._done()
        self._refuse_rest(streams)

    def _take(self, streams: deque[_Stream[Any]]) -> bool:
        """Handles what has arrived: runs calls, queues streams; False when told to stop."""
        while True:
            try:
                item = self._inbox.get(block=not streams)
            except queue.Empty:
                return True
            if item is None:
                return False
            if isinstance(item, _Stream):
                streams.append(item)
            else:
                self._finish(item)

    def _done(self) -> None:
        with self._lock:
            self._pending -= 1

    def _finish(self, call: _Call) -> None:
        try:
            result = call.function()
        except Exception as error:  # noqa: BLE001 - handed to the waiting caller
            self._done()
            call.future.set_exception(error)
        else:
            self._done()  # before the caller wakes: it may call again at once
            call.future.set_result(result)

    def _refuse_rest(self, streams: deque[_Stream[Any]]) -> None:
        closed = NotReady("The models are shutting down.")
        for stream in streams:
            stream.items.put(_End(closed))
        while True:
            try:
                item = self._inbox.get_nowait()
            except queue.Empty:
                return
            if isinstance(item, _Stream):
                item.items.put(_End(closed))
            elif item is not None:
                item.future.set_exception(closed)
