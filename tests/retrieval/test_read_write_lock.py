"""Readers together, a writer alone, and a waiting writer before new readers."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from retrieval.read_write_lock import ReadWriteLock


def test_readers_share_and_a_writer_does_not() -> None:
    lock, inside, most = ReadWriteLock(), [0], [0]
    both = threading.Barrier(2)

    def read() -> None:
        with lock.read():
            both.wait(10)  # passes only when two readers are inside at once

    def write() -> None:
        for _ in range(200):
            with lock.write():
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                inside[0] -= 1

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(read), pool.submit(read), pool.submit(write), pool.submit(write)]:
            done.result(20)
    assert most == [1]


def test_a_waiting_writer_is_not_starved_by_new_readers() -> None:
    lock, order = ReadWriteLock(), []
    reading, leave = threading.Event(), threading.Event()

    def first_reader() -> None:
        with lock.read():
            reading.set()
            leave.wait(10)

    def writer() -> None:
        with lock.write():
            order.append("writer")

    def late_reader() -> None:
        with lock.read():
            order.append("reader")

    with ThreadPoolExecutor(3) as pool:
        pool.submit(first_reader)
        assert reading.wait(10)
        written = pool.submit(writer)
        while not lock._writers_waiting:
            pass
        late = pool.submit(late_reader)
        leave.set()
        written.result(10)
        late.result(10)
    assert order == ["writer", "reader"]
