"""What the real process behind a parse is given, what it is kept from, and how it is ended."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from ingest.errors import IngestError
from ingest.parse import parse
from ingest.types import ParseLimits, Stage
from tests.ingest.processes import (
    LIMITS,
    SlowReader,
    ignore,
    look,
    note,
    picture,
    read,
    runs,
    server,
    servers,
    wait_for,
    wait_for_end,
)
from tests.ingest.samples import pdf


def test_a_child_has_its_own_session_folder_and_limits(slow: SlowReader) -> None:
    def seen() -> None:
        child = slow.child
        assert os.getsid(child.pid) == os.getpgid(child.pid) == child.pid
        assert Path(child.cwd()).name.startswith("footnote-parse-")
        assert child.rlimit(psutil.RLIMIT_AS) == (LIMITS.memory_bytes,) * 2
        assert child.rlimit(psutil.RLIMIT_CORE) == (0, 0)
        assert child.rlimit(psutil.RLIMIT_FSIZE) == (2 * 1024**3,) * 2
        assert child.nice() == psutil.Process().nice()
        environment = (slow.programs / "environment").read_text()
        for name in ("HOME", "TMPDIR"):
            assert f"{name}='{child.cwd()}'" in environment

    look(slow, seen)


def test_a_child_has_no_descriptors_but_its_own(
    slow: SlowReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of another task would hide the end of its child."""
    (tmp_path / "other").mkdir()
    other = SlowReader(tmp_path / "other")

    def seen() -> None:
        for reader in (slow, other):
            folder = Path(f"/proc/{reader.child.pid}/fd")
            targets = [os.readlink(each) for each in folder.iterdir()]
            assert sum(target.startswith("socket:") for target in targets) == 1, targets
            known = ("socket:", "pipe:", "/dev/null", reader.child.cwd(), str(reader.path))
            assert all(target.startswith(known) for target in targets), targets

    def inner() -> None:
        monkeypatch.setenv("PATH", str(other.programs))
        look(other, seen)

    look(slow, inner)


def test_an_ended_child_takes_along_what_it_started(slow: SlowReader) -> None:
    processes: list[psutil.Process] = []
    look(slow, lambda: processes.extend((slow.child, slow.child.children()[0])))
    assert not runs(processes[0])  # its folder is removed from here on
    wait_for_end(processes[1])


def test_a_crashed_child_takes_along_what_it_started(slow: SlowReader) -> None:
    def crash(stage: Stage, done: int, total: int) -> None:
        if slow.program is not None and slow.program not in programs:
            programs.append(slow.program)
            os.kill(slow.child.pid, signal.SIGSEGV)

    programs: list[psutil.Process] = []
    with pytest.raises(IngestError) as caught:
        parse(slow.path, "scan.pdf", LIMITS, crash)
    assert (caught.value.code, caught.value.page) == ("parse_crashed", 2)
    wait_for_end(programs[0])


def test_a_child_that_stands_still_is_ended(slow: SlowReader) -> None:
    children: list[psutil.Process] = []

    def watch(stage: Stage, done: int, total: int) -> None:
        if slow.program is not None and not children:
            children.append(slow.child)
            slow.child.suspend()  # its own clock stands still with it

    started = time.monotonic()
    with pytest.raises(IngestError) as caught:
        parse(slow.path, "scan.pdf", ParseLimits(timeout_s=3.0), watch)
    assert (caught.value.code, caught.value.page) == ("parse_timeout", 2)
    assert time.monotonic() - started >= 3.0
    assert not runs(children[0])


def test_memory_is_limited_while_the_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("word " * 30_000_000)
    with pytest.raises(IngestError) as caught:
        read(path, ParseLimits(memory_bytes=512 * 1024**2))
    assert caught.value.code == "parse_memory"


def test_the_server_has_one_thread_once_everything_is_loaded(tmp_path: Path) -> None:
    read(note(tmp_path))
    wait_for(lambda: any("xberg" in each.path for each in server().memory_maps()))
    time.sleep(1.0)  # for the modules behind that
    assert server().num_threads() == 1


def test_a_password_is_never_in_the_server(tmp_path: Path) -> None:
    path = tmp_path / "safe.pdf"
    path.write_bytes(pdf(["The safe is green."], password="sesame-0451"))
    assert "green" in parse(path, "safe.pdf", LIMITS, ignore, "sesame-0451").text
    assert holds(os.getpid(), b"sesame-0451")  # so it would be found
    assert not holds(server().pid, b"sesame-0451")


def holds(pid: int, text: bytes) -> bool:
    """Whether `text` is in what the process has written to."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            span, rights = line.split()[:2]
            start, end = (int(each, 16) for each in span.split("-"))
            if rights.startswith("rw"):
                memory.seek(start)
                if text in memory.read(end - start):
                    return True
    return False


def test_a_program_sees_neither_password_nor_secrets(
    slow: SlowReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOOTNOTE_API_KEY", "s3cret")
    slow.path.write_bytes(pdf(["A page with words."], picture, password="sesame"))

    def seen() -> None:
        environment = (slow.programs / "environment").read_text()
        assert "PATH=" in environment
        assert "s3cret" not in environment
        assert "sesame" not in environment

    look(slow, seen, "sesame")


def test_tasks_of_several_threads_run_at_the_same_time(tmp_path: Path) -> None:
    notes = [note(tmp_path, f"Note {number}") for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        texts = [parsed.text for parsed in pool.map(read, notes)]
    assert texts == [f"Note {number}" for number in range(24)]
    assert len(servers()) == 1
    assert server().children() == []


def test_a_killed_child_fails_its_own_task_only(slow: SlowReader, tmp_path: Path) -> None:
    before = server().pid if servers() else None

    def kill(stage: Stage, done: int, total: int) -> None:
        if slow.program is not None and slow.child.ppid() == server().pid:
            slow.child.kill()

    with pytest.raises(IngestError) as caught:
        parse(slow.path, "scan.pdf", LIMITS, kill)
    assert (caught.value.code, caught.value.permanent) == ("parse_crashed", False)
    assert read(note(tmp_path)).text == "Everyone has leave."
    assert before in (None, server().pid)
