"""The supervisor with tiny Python children: restart, orderly stop, giving up."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.supervisor import Child, RestartPolicy, run

FAST = RestartPolicy(
    backoff_s=0.05, longest_backoff_s=0.2, stable_after_s=30, most_early_crashes=3, grace_s=3
)
SLEEPER = "import time; print('up', flush=True); time.sleep(60)"


def python(name: str, code: str, **options: object) -> Child:
    return Child(name, (sys.executable, "-c", textwrap.dedent(code)), **options)  # type: ignore[arg-type]


def wait_for(condition: Callable[[], bool], timeout_s: float = 15.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true in time"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


class Background:
    """`run` in a thread, with its log and exit code."""

    def __init__(self, *children: Child, policy: RestartPolicy = FAST) -> None:
        self.lines: list[str] = []
        self.stop = threading.Event()
        self.code: int | None = None
        self._thread = threading.Thread(target=self._run, args=(children, policy))
        self._thread.start()

    def _run(self, children: tuple[Child, ...], policy: RestartPolicy) -> None:
        self.code = run(children, stop=self.stop, log=self.lines.append, policy=policy)

    def finish(self) -> int | None:
        self.stop.set()
        self._thread.join(20)
        return self.code

    def joined(self) -> int | None:
        self._thread.join(20)
        return self.code


@pytest.fixture
def background() -> Iterator[Callable[..., Background]]:
    started: list[Background] = []

    def start(*children: Child, policy: RestartPolicy = FAST) -> Background:
        started.append(Background(*children, policy=policy))
        return started[-1]

    yield start
    for each in started:
        each.finish()


def test_a_child_that_keeps_crashing_at_its_start_is_given_up_loudly(background):
    supervised = background(python("bad", "raise SystemExit('no such model')"), python("good", SLEEPER))

    assert supervised.joined() == 1
    assert supervised.lines.count("bad | no such model") == FAST.most_early_crashes
    assert any(line.startswith("Giving up: bad crashed 3 times") for line in supervised.lines)


def test_a_child_that_runs_long_but_never_gets_healthy_is_given_up_too(background):
    slow = python(
        "api", "import time; time.sleep(0.3); raise SystemExit(3)", health_url="http://127.0.0.1:9/"
    )
    policy = RestartPolicy(backoff_s=0.05, stable_after_s=0.1, most_early_crashes=3, grace_s=3)

    assert background(slow, policy=policy).joined() == 1


def test_crashes_after_a_stable_time_are_no_reason_to_give_up(background):
    policy = RestartPolicy(backoff_s=0.05, stable_after_s=0.2, most_early_crashes=2, grace_s=3)
    supervised = background(
        python("api", "import time; print('up', flush=True); time.sleep(0.5)"), policy=policy
    )

    wait_for(lambda: supervised.lines.count("api | up") > 3)
    assert supervised.finish() == 0


def test_a_crashed_child_is_restarted_and_its_output_keeps_its_name(background, tmp_path):
    code = f"""
        import pathlib, time
        marker = pathlib.Path({str(tmp_path / "ran")!r})
        if not marker.exists():
            marker.touch()
            raise SystemExit(7)
        print("second life", flush=True)
        time.sleep(60)
    """
    supervised = background(python("api", code))

    wait_for(lambda: "api | second life" in supervised.lines)
    assert supervised.finish() == 0
    assert any("api ended with status 7" in line and "restarting" in line for line in supervised.lines)


def test_a_killed_child_is_named_with_its_signal(background, tmp_path):
    pid_file = tmp_path / "pid"
    code = f"import os, pathlib; pathlib.Path({str(pid_file)!r}).write_text(str(os.getpid())); {SLEEPER}"
    supervised = background(python("worker", code))
    wait_for(lambda: "worker | up" in supervised.lines)

    os.kill(int(pid_file.read_text()), signal.SIGKILL)

    wait_for(lambda: supervised.lines.count("worker | up") == 2)
    assert any("worker ended with signal SIGKILL" in line for line in supervised.lines)


def test_addresses_are_shown_once_and_only_when_every_child_is_healthy(background, tmp_path):
    ready, port = tmp_path / "ready", free_port()
    code = f"""
        import http.server, pathlib
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200 if pathlib.Path({str(ready)!r}).exists() else 503)
                self.end_headers()
            def log_message(self, *args):
                pass
        server = http.server.HTTPServer(("127.0.0.1", {port}), Handler)
        print("listening", flush=True)
        server.serve_forever()
    """
    address = f"http://127.0.0.1:{port}"
    web = python("api", code, health_url=f"{address}/readyz", address=address)
    supervised = background(web, python("worker", SLEEPER))
    wait_for(lambda: {"api | listening", "worker | up"} <= set(supervised.lines))
    assert not any("ready" in line for line in supervised.lines)

    ready.touch()

    wait_for(lambda: f"  api: http://127.0.0.1:{port}" in supervised.lines)
    assert supervised.finish() == 0
    assert sum("Footnote is ready" in line for line in supervised.lines) == 1


def test_stop_ends_the_whole_process_group_of_a_child_that_ignores_term(background, tmp_path):
    pids = tmp_path / "pids"
    code = f"""
        import os, pathlib, signal, subprocess, sys, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        pathlib.Path({str(pids)!r}).write_text(f"{{os.getpid()}} {{grandchild.pid}}")
        print("up", flush=True)
        time.sleep(60)
    """
    supervised = background(python("stubborn", code), policy=RestartPolicy(grace_s=0.5))
    wait_for(lambda: "stubborn | up" in supervised.lines)
    members = [int(pid) for pid in pids.read_text().split()]

    assert supervised.finish() == 0
    assert "stubborn did not stop in time and is killed." in supervised.lines
    wait_for(lambda: not any(alive(pid) for pid in members))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_signal_ends_supervisor_and_children_with_status_zero(tmp_path, number):
    pid_file = tmp_path / "pid"
    program = f"""
        import sys, threading
        from app.supervisor import Child, run
        code = "import os, pathlib, time\\n" \\
               "pathlib.Path({str(pid_file)!r}).write_text(str(os.getpid()))\\n" \\
               "print('up', flush=True); time.sleep(60)"
        log = lambda line: print(line, flush=True)
        sys.exit(run([Child("api", (sys.executable, "-c", code))], stop=threading.Event(), log=log))
    """
    supervisor = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True
    )
    assert supervisor.stdout is not None
    with supervisor.stdout as output:
        for line in output:
            if line.strip() == "api | up":
                break
        supervisor.send_signal(number)
        assert output.read().endswith("Stopped.\n")
    assert supervisor.wait(15) == 0
    wait_for(lambda: not alive(int(pid_file.read_text())))


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_children_that_may_end_are_not_started_again() -> None:
    once = python("once", "print('done', flush=True)", may_end=True)
    background = Background(once, python("twice", "import time; time.sleep(0.3)", may_end=True))
    wait_for(lambda: background.code is not None)
    assert background.finish() == 0
    assert sum(line.startswith("once |") for line in background.lines) == 1


def test_a_child_that_may_end_comes_back_after_a_crash(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    code = f"""
        import pathlib, sys
        mark = pathlib.Path({str(mark)!r})
        if not mark.exists():
            mark.touch()
            sys.exit(75)
    """
    background = Background(python("crashes once", code, may_end=True))
    wait_for(lambda: background.code is not None)
    assert background.finish() == 0
    assert any("status 75" in line for line in background.lines)
