"""One thread runs every model call; one step advances all streams; calls and streams are bounded."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from app.device_worker import DeviceWorker, Stream
from app.errors import NotReady, Overloaded

WAIT_S = 10


class Counter:
    """Feeds every stream with 1, 2, 3..., one number a step, as the scheduler feeds answers with tokens."""

    def __init__(self) -> None:
        self.streams: list[Stream[int]] = []
        self.steps = 0
        self.last = 10**9  # numbers after which a stream ends
        self.on_step: Callable[[], None] = lambda: None

    def start(self, stream: Stream[int]) -> None:
        self.streams.append(stream)

    def step(self) -> None:
        self.on_step()
        self.steps += 1
        for stream in list(self.streams):
            if stream.cancelled() or self.steps > self.last:
                self.streams.remove(stream)
                stream.end()
            else:
                stream.put(self.steps)


@pytest.fixture
def counter() -> Counter:
    return Counter()


@pytest.fixture
def worker(counter: Counter) -> Iterator[DeviceWorker]:
    device = DeviceWorker(max_pending=3, step=counter.step)
    yield device
    device.close()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_calls_run_in_one_thread(worker: DeviceWorker) -> None:
    names = {worker.call(lambda: threading.current_thread().name) for _ in range(5)}
    assert names == {"device"}


def test_errors_reach_the_caller(worker: DeviceWorker) -> None:
    with pytest.raises(ZeroDivisionError):
        worker.call(lambda: 1 // 0)
    assert worker.call(lambda: 2) == 2


def test_a_worker_without_streams_takes_calls() -> None:
    device = DeviceWorker(max_pending=1)
    assert device.call(lambda: 3) == 3
    device.close()


def test_a_stream_yields_in_order_until_its_end(worker: DeviceWorker, counter: Counter) -> None:
    counter.last = 5
    assert list(worker.stream(counter.start)) == [1, 2, 3, 4, 5]
    assert worker.pending == 0


def test_one_step_feeds_all_streams(worker: DeviceWorker, counter: Counter) -> None:
    """Two readers who start together get the same numbers: a step is for all, not for one after another."""
    counter.last = 4
    gate = threading.Event()
    blocker = threading.Thread(target=lambda: worker.call(lambda: gate.wait(WAIT_S)))
    blocker.start()
    wait_for(lambda: worker.pending == 1)
    first, second = worker.stream(counter.start), worker.stream(counter.start)
    gate.set()
    assert list(first) == list(second) == [1, 2, 3, 4]
    blocker.join(WAIT_S)


def test_an_error_ends_a_stream_at_its_place(worker: DeviceWorker) -> None:
    def start(stream: Stream[int]) -> None:
        stream.put(1)
        stream.put(2)
        stream.end(ValueError("third"))

    stream = worker.stream(start)
    assert [next(stream), next(stream)] == [1, 2]
    with pytest.raises(ValueError, match="third"):
        next(stream)
    assert worker.pending == 0


def test_a_start_that_fails_reaches_the_reader(worker: DeviceWorker) -> None:
    def start(_: Stream[int]) -> None:
        raise ValueError("no room")

    with pytest.raises(ValueError, match="no room"):
        next(worker.stream(start))
    assert worker.pending == 0


def test_a_step_that_fails_ends_all_streams_and_the_thread_goes_on(
    worker: DeviceWorker, counter: Counter
) -> None:
    def fail() -> None:
        raise MemoryError("no memory")

    streams = [worker.stream(counter.start) for _ in range(2)]
    assert [next(stream) for stream in streams]
    counter.on_step = fail
    for stream in streams:
        with pytest.raises(MemoryError):
            list(stream)
    assert worker.pending == 0
    counter.on_step = lambda: None  # the source still holds them: it finds them abandoned
    next(again := worker.stream(counter.start))
    assert len(counter.streams) == 1
    again.close()  # type: ignore[attr-defined]


def test_a_short_call_runs_between_the_steps(worker: DeviceWorker, counter: Counter) -> None:
    stream = worker.stream(counter.start)
    next(stream)
    assert worker.call(lambda: "between") == "between"
    counter.last = 0
    list(stream)


def test_steps_run_between_a_flow_of_calls(worker: DeviceWorker, counter: Counter) -> None:
    """Two callers who never pause keep the inbox full; the stream must still advance."""
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            worker.call(lambda: time.sleep(0.001))

    callers = [threading.Thread(target=ask) for _ in range(2)]
    for caller in callers:
        caller.start()
    stream = worker.stream(counter.start)
    assert [next(stream) for _ in range(20)] == list(range(1, 21))
    over.set()
    for caller in callers:
        caller.join(WAIT_S)
    stream.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("what", ["begins", "is abandoned"])
def test_a_step_hears_of_a_stream_that(counter: Counter, what: str) -> None:
    """And finds the signal cleared at its start, so that it does not end early without need."""
    changed, entered, heard = threading.Event(), threading.Event(), list[bool]()

    def wait() -> None:
        if not entered.is_set():
            heard.append(changed.is_set())
            entered.set()
            heard.append(changed.wait(WAIT_S))

    device = DeviceWorker(3, counter.step, changed)
    first = device.stream(counter.start)
    assert next(first) >= 1
    counter.on_step = wait
    assert entered.wait(WAIT_S)
    if what == "begins":
        assert next(device.stream(counter.start)) > 1
    else:
        first.close()  # type: ignore[attr-defined]
    wait_for(lambda: len(heard) == 2)
    assert heard == [False, True]
    device.close()


def test_neither_calls_nor_a_stream_read_to_its_end_cut_a_step_short(counter: Counter) -> None:
    changed = threading.Event()
    found = list[bool]()
    device = DeviceWorker(3, counter.step, changed)
    stream = device.stream(counter.start)
    next(stream)
    counter.on_step = lambda: found.append(changed.is_set())
    device.call(lambda: None)
    counter.last = 0
    list(stream)
    assert found
    assert not any(found)
    assert not changed.is_set()
    device.close()


@pytest.mark.parametrize("how", ["closed", "cancelled"])
def test_an_abandoned_stream_is_dropped_within_a_step(
    worker: DeviceWorker, counter: Counter, how: str
) -> None:
    flag = threading.Event()
    stream = worker.stream(counter.start, flag.is_set)
    next(stream)
    if how == "closed":
        stream.close()  # type: ignore[attr-defined]
    else:
        flag.set()
        list(stream)  # ends without an error
    wait_for(lambda: worker.pending == 0)
    assert counter.streams == []


def test_beyond_the_bound_calls_are_refused_at_once(worker: DeviceWorker) -> None:
    release = threading.Event()
    threads = [threading.Thread(target=lambda: worker.call(lambda: release.wait(WAIT_S))) for _ in range(3)]
    for thread in threads:
        thread.start()
    wait_for(lambda: worker.pending == 3)
    with pytest.raises(Overloaded, match="3 model calls"):
        worker.call(lambda: None)
    release.set()
    for thread in threads:
        thread.join(WAIT_S)
    assert worker.call(lambda: 1) == 1


def test_beyond_the_bound_answers_are_refused_but_calls_are_not(
    worker: DeviceWorker, counter: Counter
) -> None:
    """Those who are being answered still get their claims checked."""
    streams = [worker.stream(counter.start) for _ in range(3)]
    with pytest.raises(Overloaded, match="3 answers") as refused:
        worker.stream(counter.start)
    assert refused.value.status_code == 429
    assert worker.call(lambda: "checked") == "checked"
    counter.last = 0
    for stream in streams:
        list(stream)
    assert list(worker.stream(Stream.end)) == []


def test_closing_ends_whoever_waits(worker: DeviceWorker, counter: Counter) -> None:
    stream = worker.stream(counter.start)
    next(stream)
    worker.close()
    with pytest.raises(NotReady):
        list(stream)
    with pytest.raises(NotReady):
        worker.call(lambda: 1)
    with pytest.raises(NotReady):
        worker.stream(counter.start)
