"""Children of the fork server as their owner sees them: started, heard, ended.

Each has two socket pairs. On its channel the request goes in and news come out. On its line the fork server
says how it ended; giving the line up ends the child and whatever it started. No process id is signalled from
here, and nothing is tied to the thread that started the child.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from ingest.failures import ParseFailure

_SOURCE_ROOT: Final = Path(__file__).resolve().parents[1]
_PASSED_ON: Final = ("TESSDATA_PREFIX",)  # where an administrator put Tesseract's language packs
_NUMBER_BYTES: Final = 4
_EXIT_S: Final = 5.0  # for a server, or the child of a killed one, to end
_TRIES: Final = 2


class ServerLost(Exception):
    """The fork server ended before it had started the child."""


class Child:
    """A running child."""

    def __init__(self, channel: socket.socket, line: socket.socket) -> None:
        self.status: int | None = None  # as subprocess.Popen.returncode; None while it runs
        self._channel = channel
        self._line = line
        self._poll = select.poll()
        self._poll.register(channel, select.POLLIN)
        self._poll.register(line, select.POLLIN)

    def send(self, data: bytes) -> None:
        """To a child that has ended as well; its status will say so."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._channel.sendall(data)

    def hear(self, timeout_s: float) -> bytes:
        """News, waited for at most so long; `status` is set once all was heard and the child has ended."""
        ready = {descriptor for descriptor, _ in self._poll.poll(timeout_s * 1000)}
        if self._channel.fileno() in ready:
            data = _receive(self._channel, 65_536)
            if data:
                return data
            self._poll.unregister(self._channel)  # it closed its end, or something else took it along
        elif self._line.fileno() in ready:
            self._take_status()
        return b""

    def end(self) -> None:
        """End the child and whatever it started; harmless when it has ended."""
        if self.status is None:
            with contextlib.suppress(OSError):
                self._line.shutdown(socket.SHUT_WR)
            self._take_status()
        self._channel.close()
        self._line.close()

    def _take_status(self) -> None:
        status = _number(self._line)
        if status is None:
            self._outlive()
        self.status = -signal.SIGKILL if status is None else status

    def _outlive(self) -> None:
        """The server was killed; the kernel is about to end its children, or their next news will fail."""
        with contextlib.suppress(OSError):
            self._channel.settimeout(_EXIT_S)
            while self._channel.recv(65_536):
                pass


class _Server:
    """A fork server of this process."""

    def __init__(self) -> None:
        self._sending = threading.Lock()
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "ingest.fork_server", str(theirs.fileno()), str(os.getpid())],
                cwd="/",
                env=base_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    def fork(self, kind: str, errors_fd: int, deadline: float) -> Child:
        """A new child that waits for its request; raises ServerLost, TimeoutError or OSError."""
        with contextlib.ExitStack() as open_here:
            channel, channel_there = _pair(open_here)
            line, line_there = _pair(open_here)
            self._send(kind, [channel_there.fileno(), line_there.fileno(), errors_fd])
            channel_there.close()
            line_there.close()  # only the server has it now: its end is seen
            line.settimeout(max(deadline - time.monotonic(), 0.001))
            pid = _number(line)
            line.settimeout(None)
            if pid is None:
                raise ServerLost
            if pid < 0:
                raise OSError(-pid, f"No process could be started: {os.strerror(-pid)}")
            open_here.pop_all()
        return Child(channel, line)

    def _send(self, kind: str, descriptors: Sequence[int]) -> None:
        with self._sending:  # another thread may close the socket
            if self._control.fileno() < 0:
                raise ServerLost
            try:
                socket.send_fds(self._control, [kind[:1].encode()], descriptors)
            except (BrokenPipeError, ConnectionResetError) as error:
                raise ServerLost from error

    def stop(self) -> None:
        """Its children end with it."""
        with self._sending:
            self._control.close()
        try:
            self._process.wait(_EXIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def forget(self) -> None:
        """In a fork of the owner: the server is not its own, and must not wait for its end."""
        self._control.close()
        self._process.poll()  # finds that it has no such child


class _Servers:
    """The one fork server of this process, started when needed, and again when it was killed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._current: _Server | None = None

    def get(self) -> _Server:
        with self._lock:
            if self._current is None or not self._current.runs:
                if self._current is not None:
                    self._current.stop()
                self._current = _Server()
            return self._current

    def replace(self, lost: _Server) -> None:
        """The next task gets another one."""
        with self._lock:
            if self._current is lost:
                self._current = None
                lost.stop()

    def stop(self) -> None:
        with self._lock:
            if self._current is not None:
                self._current.stop()
            self._current = None

    def forget(self) -> None:
        self._lock = threading.Lock()  # whoever holds it is not in this process
        if self._current is not None:
            self._current.forget()
        self._current = None


_servers = _Servers()
atexit.register(_servers.stop)
os.register_at_fork(after_in_child=_servers.forget)


def start_child(request: dict[str, Any], errors_fd: int, deadline: float) -> Child:
    """A child at work on `request`, whose key "task" names what to do; `errors_fd` takes its complaints.

    Raises TimeoutError when it has not begun at `deadline` (of time.monotonic), OSError when the system has
    no room for a process, ParseFailure `parse_crashed` when fork servers do not live long enough.
    """
    for _ in range(_TRIES):
        server = _servers.get()
        try:
            child = server.fork(request["task"], errors_fd, deadline)
        except ServerLost:
            _servers.replace(server)
        else:
            child.send(json.dumps(request).encode() + b"\n")
            return child
    raise ParseFailure("parse_crashed", "The process that starts parsers ended twice before it had.")


def base_environment() -> dict[str, str]:
    """A small environment: no secrets of the service, one thread."""
    passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPATH": str(_SOURCE_ROOT),
        "PYTHONUTF8": "1",
        "MALLOC_ARENA_MAX": "2",  # each arena takes 64 MiB of the address space, used or not
        "TOKIO_WORKER_THREADS": "2",
        **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"), "1"),
        **passed_on,
    }


def _pair(closed_by: contextlib.ExitStack) -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair()
    closed_by.enter_context(ours)
    closed_by.enter_context(theirs)
    return ours, theirs


def _receive(source: socket.socket, most_bytes: int) -> bytes:
    try:
        return source.recv(most_bytes)
    except ConnectionResetError:
        return b""


def _number(line: socket.socket) -> int | None:
    """The next number that the server says, None when it is gone."""
    data = _receive(line, _NUMBER_BYTES)
    return int.from_bytes(data, "big", signed=True) if data else None
