"""One thread runs every model call; streams take turns; the queue is bounded."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from app.device_worker import DeviceWorker
from app.errors import NotReady, Overloaded


@pytest.fixture
def worker() -> Iterator[DeviceWorker]:
    device = DeviceWorker(max_pending=3)
    yield device
    device.close()


def test_calls_run_in_one_thread(worker: DeviceWorker) -> None:
    names = {worker.call(lambda: threading.current_thread().name) for _ in range(5)}
    assert names == {"device"}


def test_errors_reach_the_caller(worker: DeviceWorker) -> None:
    with pytest.raises(ZeroDivisionError):
        worker.call(lambda: 1 // 0)
    assert worker.call(lambda: 2) == 2


def test_a_stream_yields_in_order_and_raises_at_its_place(worker: DeviceWorker) -> None:
    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("third")

    stream = worker.stream(items)
    assert [next(stream), next(stream)] == [1, 2]
    with pytest.raises(ValueError, match="third"):
        next(stream)


def test_a_short_call_runs_between_the_steps_of_a_stream(worker: DeviceWorker) -> None:
    steps: list[int] = []
    gate = threading.Event()

    def endless() -> Iterator[int]:
        while not gate.is_set():
            steps.append(1)
            yield len(steps)

    stream = worker.stream(endless)
    next(stream)
    assert worker.call(lambda: "between") == "between"
    gate.set()
    assert list(stream)[-1] == len(steps)


def test_two_streams_take_turns(worker: DeviceWorker) -> None:
    order: list[str] = []
    both = threading.Barrier(2)

    def numbered(name: str) -> Iterator[None]:
        for _ in range(3):
            order.append(name)
            yield None

    def read(name: str) -> None:
        started.wait()
        stream = worker.stream(lambda: numbered(name))
        both.wait()
        list(stream)

    started, release = threading.Event(), threading.Event()
    blocker = threading.Thread(target=lambda: worker.call(lambda: (started.set(), release.wait(10))))
    blocker.start()
    readers = [threading.Thread(target=read, args=(name,)) for name in "ab"]
    for reader in readers:
        reader.start()
    while worker.pending < 3:
        threading.Event().wait(0.001)
    release.set()
    for thread in [blocker, *readers]:
        thread.join(10)
    assert sorted(order[:2]) == ["a", "b"]
    assert sorted(order[2:4]) == ["a", "b"]


def test_an_abandoned_stream_is_dropped(worker: DeviceWorker) -> None:
    closed = threading.Event()

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    stream = worker.stream(endless)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert closed.wait(10)


def test_beyond_the_bound_calls_are_refused_at_once(worker: DeviceWorker) -> None:
    release = threading.Event()
    threads = [threading.Thread(target=lambda: worker.call(lambda: release.wait(10))) for _ in range(3)]
    for thread in threads:
        thread.start()
    while worker.pending < 3:
        threading.Event().wait(0.001)
    with pytest.raises(Overloaded):
        worker.call(lambda: None)
    release.set()
    for thread in threads:
        thread.join(10)
    assert worker.call(lambda: 1) == 1


def test_after_close_calls_are_refused(worker: DeviceWorker) -> None:
    worker.close()
    with pytest.raises(NotReady):
        worker.call(lambda: 1)
