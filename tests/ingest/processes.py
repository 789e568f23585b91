"""The processes behind a parse, and a file whose parser can be looked at while it reads."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

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


def look(slow: SlowReader, seen: Callable[[], None], password: str | None = None) -> None:
    """Calls `seen` in the middle of a parse, whose child is then ended."""

    def progress(stage: Stage, done: int, total: int) -> None:
        if slow.program is not None:
            seen()
            raise Looked

    with pytest.raises(Looked):
        parse(slow.path, "scan.pdf", LIMITS, progress, password)


def started(code: str, *arguments: object, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )
