"""Whatever ends, and however: fork server, owner, a thread or a fork of the owner. Nobody is left."""

from __future__ import annotations

import multiprocessing
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest

from ingest.errors import IngestError
from ingest.parse import parse
from ingest.types import Stage
from tests.ingest.processes import (
    LIMITS,
    OWNER,
    SlowReader,
    note,
    read,
    runs,
    server,
    servers,
    started,
    wait_for,
    wait_for_end,
)


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
    code = (
        f"{OWNER}\nfrom tests.ingest.test_fork_server_ends import fork_and_wait\nfork_and_wait({str(path)!r})"
    )
    with started(code, TMPDIR=str(tmp_path)) as owner:  # which is killed while it reads
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


def test_a_killed_owner_leaves_nobody(slow: SlowReader, tmp_path: Path) -> None:
    code, environment = f"{OWNER}\nread(sys.argv[1])", {"PATH": str(slow.programs), "TMPDIR": str(tmp_path)}
    with started(code, slow.path, **environment) as owner:
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
