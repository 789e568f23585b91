"""Runs the service's processes together: start, watch, restart with backoff, stop without leaving one behind.

Used by `footnote up` for the API, the worker and the browser interface. Each child leads its own process
group: Ctrl-C reaches only the supervisor, which then stops the children in an orderly way, and nothing that a
child started outlives it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

import httpx

Log = Callable[[str], None]

TICK_S = 0.1  # how often children are looked at; also the longest delay of Ctrl-C
HEALTH_TIMEOUT_S = 0.5
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Child:
    """One process to keep running."""

    name: str  # prefix of its output
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)  # added to this process's environment
    health_url: str | None = None  # answers 2xx once the child is usable; None: usable as soon as it runs
    address: str | None = None  # shown to the user when everything is healthy
    may_end: bool = False  # an exit with status 0 means that its work is done; it is not started again


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """When a crashed child comes back, and when to give up."""

    backoff_s: float = 0.5  # pause before the first restart; doubles with each early crash
    longest_backoff_s: float = 30.0
    stable_after_s: float = 20.0  # healthy for this long: a crash is not an early one and resets the count
    most_early_crashes: int = 5  # this many in a row: give up
    grace_s: float = 10.0  # between TERM and KILL

    def pause_s(self, early_crashes: int) -> float:
        """Pause before the restart that follows this many early crashes."""
        return min(self.longest_backoff_s, self.backoff_s * 2.0 ** max(0, early_crashes - 1))


class Runner:
    """One child with its process, its output thread and its history of crashes."""

    def __init__(self, child: Child, policy: RestartPolicy, log: Log) -> None:
        self.child = child
        self.policy = policy
        self.log = log
        self.early_crashes = 0
        self.ended = False  # its work is done
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._started_at = 0.0
        self._healthy_since: float | None = None
        self._restart_at = 0.0

    @property
    def healthy(self) -> bool:
        """True from the first good answer of the health URL until the child ends."""
        return self._healthy_since is not None

    @property
    def given_up(self) -> bool:
        """True when the child has crashed too often right after its start."""
        return self.early_crashes >= self.policy.most_early_crashes

    def tick(self) -> None:
        """Starts the child when due, notices its exit, asks for its health until it is healthy."""
        if self.ended:
            return
        if self._process is None:
            if time.monotonic() >= self._restart_at:
                self._start()
        elif self._process.poll() is not None:
            self._note_exit(self._process)
        elif not self.healthy:
            self._healthy_since = time.monotonic() if self._is_healthy() else None

    def terminate(self) -> None:
        """Asks the child's process group to stop."""
        if self._process is not None:
            signal_group(self._process.pid, signal.SIGTERM)

    def reap(self, deadline: float) -> None:
        """Waits until `deadline` (monotonic seconds), then kills whatever is left of the group."""
        if self._process is None:
            return
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.log(f"{self.child.name} did not stop in time and is killed.")
        self._sweep(self._process)

    def _start(self) -> None:
        self._process = subprocess.Popen(
            list(self.child.argv),
            env={**os.environ, "PYTHONUNBUFFERED": "1", **self.child.env},  # lines must arrive when written
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            bufsize=1,
            start_new_session=True,
        )
        self._started_at = time.monotonic()
        self._reader = threading.Thread(target=self._forward, args=(self._process,), daemon=True)
        self._reader.start()

    def _forward(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None  # opened with PIPE
        for line in process.stdout:
            self.log(f"{self.child.name} | {line.rstrip()}")

    def _note_exit(self, process: subprocess.Popen[str]) -> None:
        ran_s = time.monotonic() - self._started_at
        # Counted from health, not from the start: loading models may take long and still end in a crash.
        healthy_s = 0.0 if self._healthy_since is None else time.monotonic() - self._healthy_since
        self._sweep(process)
        if self.child.may_end and process.returncode == 0:
            self.ended = True
            return
        self.early_crashes = 0 if healthy_s >= self.policy.stable_after_s else self.early_crashes + 1
        self._healthy_since = None
        pause_s = self.policy.pause_s(self.early_crashes)
        self._restart_at = time.monotonic() + pause_s
        ending = f"{self.child.name} ended with {exit_text(process.returncode)} after {ran_s:.1f} s"
        self.log(f"{ending}." if self.given_up else f"{ending}; restarting in {pause_s:.1f} s.")

    def _sweep(self, process: subprocess.Popen[str]) -> None:
        """Kills what the group still holds and closes the pipe; safe when all of it is gone."""
        signal_group(process.pid, signal.SIGKILL)
        process.wait()
        if self._reader is not None:
            self._reader.join(timeout=2.0)  # the pipe closes with the last process of the group
        if process.stdout is not None:
            process.stdout.close()
        self._process = None

    def _is_healthy(self) -> bool:
        if self.child.health_url is None:
            return True
        try:
            return httpx.get(self.child.health_url, timeout=HEALTH_TIMEOUT_S, trust_env=False).is_success
        except httpx.TransportError:
            return False  # not listening yet; asked again at the next tick


def run(
    children: Sequence[Child], *, stop: threading.Event, log: Log, policy: RestartPolicy | None = None
) -> int:
    """Keeps the children running until `stop` is set, a stop signal arrives or all have done their work.

    Returns the exit code: 0 after an orderly stop, 1 after giving up on a child that keeps crashing at its
    start.
    Signals are handled only when called from the main thread, the only one that may.
    """
    policy = policy or RestartPolicy()
    runners = [Runner(child, policy, log) for child in children]
    with stop_signals(stop):
        try:
            failed = supervise(runners, stop, log)
        finally:
            stop_all(runners, policy.grace_s)
    if failed is None:
        log("Stopped.")
        return 0
    log(f"Giving up: {failed} crashed {policy.most_early_crashes} times in a row right after its start.")
    log("Its last lines above say why. Correct that and start again.")
    return 1


def supervise(runners: Sequence[Runner], stop: threading.Event, log: Log) -> str | None:
    """Looks after the children until told to stop or all have ended; returns the name of one given up."""
    announced = False
    while not stop.is_set():
        for runner in runners:
            runner.tick()
            if runner.given_up:
                return runner.child.name
        if all(runner.ended for runner in runners):
            return None
        if not announced and all(runner.healthy for runner in runners):
            announced = True
            announce(runners, log)
        stop.wait(TICK_S)
    return None


def announce(runners: Sequence[Runner], log: Log) -> None:
    """Tells the user where everything is."""
    log("Footnote is ready. Press Ctrl-C to stop.")
    for runner in runners:
        if runner.child.address:
            log(f"  {runner.child.name}: {runner.child.address}")


def stop_all(runners: Sequence[Runner], grace_s: float) -> None:
    """TERM to all at once, one shared grace period, then KILL."""
    for runner in runners:
        runner.terminate()
    deadline = time.monotonic() + grace_s
    for runner in runners:
        runner.reap(deadline)


@contextmanager
def stop_signals(stop: threading.Event) -> Iterator[None]:
    """Sets `stop` on SIGINT, SIGTERM and SIGHUP while the block runs, then puts the old handlers back."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, handle) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def signal_group(group_id: int, number: signal.Signals) -> None:
    """Sends a signal to a process group that may be gone already."""
    try:
        os.killpg(group_id, number)
    except ProcessLookupError:
        return


def exit_text(code: int) -> str:
    """An exit status in words."""
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"status {code}"
