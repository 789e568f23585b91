"""The process that forks a clean child for every task of ingest, with the libraries loaded once.

Run as `python -P -m ingest.fork_server CONTROL_FD OWNER_PID` by `ingest.children`; the second argument only
tells people whose it is. It knows no file, no text and no password, has one thread and holds no lock, so that
it may fork at any moment. When its owner ends, however that happens, the control socket is closed, and this
process ends its children and itself.

Each message on the control socket is one byte, the first letter of the task, with three descriptors: the
child's channel, the task's line and the file for what the child complains of. On the line go, as `NUMBER`,
the child's process id (or minus the error number of a failed fork) and later its exit status as
`subprocess.Popen.returncode` counts it. A line whose other end is closed ends its child. Only this process
signals children, and only before it has collected them, so that a process id that was given to another
program is never hit.

Memory of its own when idle: 53 MB with every parser loaded, 22 MB where only pages are drawn.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import selectors
import signal
import socket
import struct
import sys
from collections.abc import Callable
from functools import partial
from typing import Final, NoReturn

from ingest import child
from ingest.parsers.registry import PARSERS

NUMBER: Final = struct.Struct("!i")
STDERR: Final = 2
LOADED_FOR: Final[dict[bytes, tuple[str, ...]]] = {
    b"p": (*dict.fromkeys(f"ingest.parsers.{module}" for module, _ in PARSERS.values()), "numpy.ma"),
    b"r": ("ingest.parsers.pdf_image",),
}
"""First letter of a task to the modules that are loaded once such a task has come, in idle moments."""


def main() -> None:
    """Serve on the socket whose descriptor is the first argument, until its other end is closed."""
    ForkServer(socket.socket(fileno=int(sys.argv[1]))).serve()


class ForkServer:
    """Forks, watches, ends and collects children."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._lines: dict[int, socket.socket] = {}  # by the child's process id
        self._not_asked_for = dict(LOADED_FOR)
        self._to_load: list[str] = []
        self._alarm, self._alarm_in = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ, self._accept)
        self._selector.register(self._alarm, selectors.EVENT_READ, self._collect)

    def serve(self) -> NoReturn:
        """Does not return."""
        self._alarm.setblocking(False)
        self._alarm_in.setblocking(False)
        signal.set_wakeup_fd(self._alarm_in.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # a handler, or nothing would wake us
        gc.freeze()  # what is loaded stays; a collection in a child must not copy its pages
        while True:
            may_load = self._to_load and not self._lines  # the end of a child must be told at once
            ready = self._selector.select(0 if may_load else None)
            if not ready:
                self._load_next()
            for key, _ in ready:
                handle: Callable[[], None] = key.data
                handle()

    def _load_next(self) -> None:
        with contextlib.suppress(Exception):  # the child that needs it will say what is wrong with it
            importlib.import_module(self._to_load.pop(0))
        gc.freeze()

    def _accept(self) -> None:
        task, descriptors, _, _ = socket.recv_fds(self._control, 1, 3)
        if not task:  # the owner is gone
            self._end_all()
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        channel, line, errors = descriptors
        self._fork(socket.socket(fileno=channel), socket.socket(fileno=line), errors)
        self._to_load += self._not_asked_for.pop(task, ())

    def _fork(self, channel: socket.socket, line: socket.socket, errors: int) -> None:
        server = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            pid = -(error.errno or 1)
        if pid == 0:
            self._be_child(channel, line, errors, server)
        channel.close()
        os.close(errors)
        _tell(line, pid)
        if pid < 0:
            line.close()
            return
        self._lines[pid] = line
        self._selector.register(line, selectors.EVENT_READ, partial(self._end, pid, line))

    def _be_child(self, channel: socket.socket, line: socket.socket, errors: int, server: int) -> NoReturn:
        """Nothing of the server or of other tasks stays open, and nothing gets back into its loop."""
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._selector.close()
            for each in (self._control, self._alarm, self._alarm_in, line, *self._lines.values()):
                each.close()
            os.dup2(errors, STDERR)
            os.close(errors)
            child.run(channel, server)
        finally:
            os._exit(1)

    def _end(self, pid: int, line: socket.socket) -> None:
        """The owner wants no more of this child, or is gone."""
        if self._lines.get(pid) is line:  # not collected a moment ago
            self._selector.unregister(line)
            _kill(pid)

    def _collect(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._alarm.recv(4096):
                pass
        for pid, line in list(self._lines.items()):
            status = _collect_child(pid)
            if status is not None:
                del self._lines[pid]
                with contextlib.suppress(KeyError):  # told to end before
                    self._selector.unregister(line)
                _tell(line, status)
                line.close()

    def _end_all(self) -> NoReturn:
        for pid in self._lines:
            _kill(pid)
        for pid in self._lines:
            os.waitpid(pid, 0)
        os._exit(0)  # native libraries may crash while they take themselves down


def _tell(line: socket.socket, number: int) -> None:
    with contextlib.suppress(OSError):  # nobody listens any more
        line.send(NUMBER.pack(number))


def _kill(pid: int) -> None:
    """A child that was not collected yet, and its group, which does not exist in its first moment."""
    for send in (os.kill, os.killpg):
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS refuses one that has ended
            send(pid, signal.SIGKILL)


def _collect_child(pid: int) -> int | None:
    """Exit status of a child that has ended, None while it runs.

    What it started and left behind is killed first, while its process id and group are still its own.
    """
    if sys.platform != "darwin":  # which cannot look without collecting
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return None
        _kill(pid)
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


if __name__ == "__main__":
    main()
