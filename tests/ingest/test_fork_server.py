"""The real processes behind a parse: what a child is given, who ends it, and that nobody is left."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from ingest import ocr
from ingest.errors import IngestError
from ingest.parse import parse
from ingest.types import ParsedDocument, ParseLimits, Stage
from tests.ingest.samples import pdf

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 30.0
SLEEP = shutil.which("sleep")
SERVER = "ingest.fork_server"
LIMITS = ParseLimits()
OWNER = """
import sys, threading
from pathlib import Path
from ingest.parse import parse
from ingest.types import ParseLimits

def read(path):
    return parse(Path(path), "a.pdf", ParseLimits(), lambda *_: None).text
"""


class Looked(Exception):
    """Raised by a progress callback that has seen enough."""


def ignore(stage: Stage, done: int, total: int) -> None:
    pass


def read(path: Path, limits: ParseLimits = LIMITS) -> ParsedDocument:
    return parse(path, path.name, limits, ignore)


def note(tmp_path: Path, text: str = "Everyone has leave.") -> Path:
    path = tmp_path / f"{text[:20]}.txt"
    path.write_text(text)
    return path


def wait_for(condition: Callable[[], Any]) -> Any:
    give_up = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < give_up, "it did not happen"
        time.sleep(0.02)
    return found


def servers(owner: int | None = None) -> list[psutil.Process]:
    """The fork servers of a process."""
    return [each for each in psutil.Process(owner).children() if SERVER in each.cmdline()]


def server() -> psutil.Process:
    """That of this process."""
    (found,) = servers()
    return found


def runs(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def wait_for_end(*processes: psutil.Process) -> None:
    wait_for(lambda: not any(map(runs, processes)))


def picture(canvas: Canvas) -> None:
    canvas.drawImage(ImageReader(Image.new("L", (300, 400), 250)), 0, 0, 595, 842)


class SlowReader:
    """A PDF whose page is read by a program that the parser's child starts, and that never ends."""

    def __init__(self, folder: Path) -> None:
        self.programs = folder / "bin"
        self.programs.mkdir()
        self.path = folder / "scan.pdf"
        self.path.write_bytes(pdf(["A page with words."], picture))
        script = self.programs / "tesseract"
        script.write_text(
            '#!/bin/sh\nif [ "$1" = --list-langs ]; then printf "Languages (1):\\neng\\n"; exit; fi\n'
            f"export > {self.programs}/environment\n"
            f"echo $$ > {self.programs}/pid\nexec {SLEEP} 300\n"
        )
        script.chmod(0o755)

    @property
    def program(self) -> psutil.Process | None:
        """The program, once it runs."""
        with suppress(FileNotFoundError, psutil.NoSuchProcess):
            text = (self.programs / "pid").read_text()
            return psutil.Process(int(text)) if text.endswith("\n") else None
        return None

    @property
    def child(self) -> psutil.Process:
        assert self.program is not None
        parent = self.program.parent()
        assert parent is not None
        return parent


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowReader]:
    reader = SlowReader(tmp_path)
    monkeypatch.setenv("PATH", str(reader.programs))
    ocr.installed_languages.cache_clear()
    yield reader
    ocr.installed_languages.cache_clear()


def look(slow: SlowReader, seen: Callable[[], None], password: str | None = None) -> None:
    """Calls `seen` in the middle of a parse, whose child is then ended."""

    def progress(stage: Stage, done: int, total: int) -> None:
        if slow.program is not None:
            seen()
            raise Looked

    with pytest.raises(Looked):
        parse(slow.path, "scan.pdf", LIMITS, progress, password)


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


def test_a_killed_server_fails_the_task_under_way_and_the_next_gets_another(
    slow: SlowReader, tmp_path: Path
) -> None:
    ended: list[psutil.Process] = []

    def kill(stage: Stage, done: int, total: int) -> None:
        if slow.program is not None and not ended:
            ended.extend((server(), slow.child))
            server().kill()

    with pytest.raises(IngestError) as caught:
        parse(slow.path, "scan.pdf", LIMITS, kill)
    assert (caught.value.code, caught.value.permanent) == ("parse_crashed", False)
    wait_for_end(*ended)
    assert read(note(tmp_path)).text == "Everyone has leave."
    assert server() != ended[0]
    assert slow.program is not None
    slow.program.kill()  # the only one that outlives this


def test_a_server_that_was_killed_while_idle_is_replaced_unnoticed(tmp_path: Path) -> None:
    path = note(tmp_path)
    read(path)
    for _ in range(5):
        killed = server()
        killed.kill()  # may not be gone yet when the next task begins
        assert read(path).text == "Everyone has leave."
        assert server() != killed


def in_a_fork(path: Path, results: Any) -> None:
    results.put((read(path).text, [each.pid for each in servers()]))
    results.close()
    results.join_thread()
    signal.pause()


def test_a_fork_of_the_owner_gets_a_server_of_its_own(tmp_path: Path) -> None:
    """And does not keep that of the owner alive."""
    path = note(tmp_path)
    code = f"{OWNER}\nfrom tests.ingest.test_fork_server import fork_and_wait\nfork_and_wait({str(path)!r})"
    with started(code) as owner:
        assert owner.stdout is not None
        fork, text, *own = owner.stdout.readline().split()
        assert text == "Everyone"
        (of_owner,) = servers(owner.pid)
        (of_fork,) = servers(int(fork))
        assert [of_fork.pid] == [int(each) for each in own]
        owner.kill()
        wait_for_end(of_owner)
        assert runs(of_fork)
        psutil.Process(int(fork)).kill()
        wait_for_end(of_fork)


def fork_and_wait(path: str) -> None:
    """Body of the process that is forked."""
    read(Path(path))
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    fork = context.Process(target=in_a_fork, args=(Path(path), results))
    fork.start()
    text, own = results.get()
    print(fork.pid, text.split()[0], *own, flush=True)
    assert read(Path(path)).text == text
    signal.pause()


def started(code: str, *arguments: object, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_killed_owner_leaves_nobody(slow: SlowReader) -> None:
    with started(f"{OWNER}\nread(sys.argv[1])", slow.path, PATH=str(slow.programs)) as owner:
        wait_for(lambda: slow.program)
        (served,) = servers(owner.pid)
        processes = [served, *served.children(recursive=True)]
        assert len(processes) == 3  # server, child and program
        owner.kill()
    wait_for_end(*processes)


@pytest.mark.parametrize("end", ["", "os._exit(0)"], ids=["end", "exit"])
def test_an_owner_that_ends_leaves_nobody(tmp_path: Path, end: str) -> None:
    code = f"""{OWNER}
import os, psutil
read(sys.argv[1])
print(*(each.pid for each in psutil.Process().children(recursive=True)), flush=True)
{end}"""
    with started(code, note(tmp_path)) as owner:
        assert owner.stdout is not None
        (pid,) = map(int, owner.stdout.read().split())
        assert owner.wait() == 0
    wait_for(lambda: not psutil.pid_exists(pid))


def test_a_server_survives_the_thread_that_started_it(tmp_path: Path) -> None:
    code = f"""{OWNER}
import psutil
thread = threading.Thread(target=read, args=(sys.argv[1],))
thread.start(); thread.join()
before = psutil.Process().children()
print(read(sys.argv[1]), before == psutil.Process().children() != [])"""
    with started(code, note(tmp_path)) as owner:
        assert owner.stdout is not None
        assert owner.stdout.read().split() == ["Everyone", "has", "leave.", "True"]


def test_the_server_knows_no_secret_and_says_whose_it_is(tmp_path: Path) -> None:
    code = f"{OWNER}\nread(sys.argv[1]); print(flush=True); sys.stdin.read()"
    with started(code, note(tmp_path), FOOTNOTE_API_KEY="s3cret") as owner:
        assert owner.stdout is not None
        owner.stdout.readline()
        (served,) = servers(owner.pid)
        assert "s3cret" not in str(served.environ())
        assert served.cmdline()[-1] == str(owner.pid)
        assert served.cwd() == "/"
        owner.kill()
