"""Text recognition through the `tesseract` program, where it is installed. Nothing is ever downloaded."""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

from PIL import Image

OFF: Final = "off"
AUTO: Final = "auto"
DPI: Final = 300  # what Tesseract was trained for
_ORIENTATION: Final = "osd"  # a pack that finds out how a page is turned, not a language
_MOST_AUTOMATIC: Final = 4  # each further language makes every page slower
_MIN_CONFIDENCE: Final = 20.0  # percent; below it "words" are specks and lines
_LIST_TIMEOUT_S: Final = 10.0
_ONE_THREAD: Final = {"OMP_THREAD_LIMIT": "1"}  # its four threads cost six times their use
_LANGUAGE = re.compile(r"[A-Za-z][\w/-]{1,40}")


@dataclass(frozen=True, slots=True)
class Word:
    """A recognised word and its box in pixels of the picture, from the upper left corner."""

    text: str
    left: int
    top: int
    right: int
    bottom: int
    confidence: float  # percent
    line: tuple[int, int, int]  # block, paragraph, line: words of one line share it


class OcrFailed(Exception):
    """The program is there but did not read this picture; the message is fit to be shown."""


@dataclass(frozen=True, slots=True)
class Recogniser:
    """The installed program with the languages to read."""

    program: str
    languages: str  # as Tesseract takes them: `eng+deu`
    turns: bool  # whether pages that lie on their side are recognised as such

    def read(self, image: Image.Image, timeout_s: float) -> list[Word]:
        """The words of a picture drawn at DPI, in reading order. Raises OcrFailed."""
        picture = io.BytesIO()
        image.save(picture, format="PNG", compress_level=1)
        layout = "1" if self.turns else "3"  # with and without finding the orientation first
        command = [self.program, "-", "-", "--psm", layout, "--dpi", str(DPI), "-l", self.languages, "tsv"]
        try:
            done = subprocess.run(
                command,
                input=picture.getvalue(),
                capture_output=True,
                timeout=timeout_s,
                env={**os.environ, **_ONE_THREAD},
            )
        except subprocess.TimeoutExpired as error:
            raise OcrFailed(f"Text recognition took longer than {timeout_s:.0f} seconds.") from error
        if done.returncode != 0:
            reason = done.stderr.decode("utf-8", "replace").strip()[-200:]
            raise OcrFailed(f"Text recognition failed: {reason or f'exit status {done.returncode}'}.")
        return list(_words(done.stdout.decode("utf-8", "replace")))


def how_to_get_one(wanted: str) -> str:
    """What makes text recognition available where `find_recogniser` gives None; goes on with a comma."""
    if wanted == OFF:
        return "Set FOOTNOTE_OCR_LANGUAGES to auto, start the worker again and retry"
    return "Install Tesseract with its language packs and retry"


def find_recogniser(wanted: str) -> Recogniser | None:
    """The recogniser for `wanted`: `auto`, `off`, or languages like `eng+deu`; None when there is none.

    With `auto` every installed language is read, English first, at most a few.
    """
    program = shutil.which("tesseract")
    if wanted == OFF or program is None:
        return None
    installed = installed_languages(program)
    asked = [name for name in wanted.split("+") if name in installed]
    chosen = _automatic(installed) if wanted == AUTO else asked
    if not chosen:
        return None
    return Recogniser(program, "+".join(chosen), _ORIENTATION in installed)


@cache
def installed_languages(program: str) -> frozenset[str]:
    """The language packs that the program finds; empty when it does not run."""
    try:
        done = subprocess.run([program, "--list-langs"], capture_output=True, timeout=_LIST_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired):
        return frozenset()
    lines = (done.stdout or done.stderr).decode("utf-8", "replace").splitlines()
    return frozenset(line.strip() for line in lines if _LANGUAGE.fullmatch(line.strip()))


def _automatic(installed: frozenset[str]) -> list[str]:
    languages = sorted(installed - {_ORIENTATION, "equ"}, key=lambda name: (name != "eng", name))
    return languages[:_MOST_AUTOMATIC]


def _words(table: str) -> Iterator[Word]:
    """The rows of Tesseract's table that are words (level 5) with some confidence."""
    for row in csv.DictReader(io.StringIO(table), delimiter="\t", quoting=csv.QUOTE_NONE):
        text = (row.get("text") or "").strip()
        if row["level"] != "5" or not text or float(row["conf"]) < _MIN_CONFIDENCE:
            continue
        left, top, width, height = (int(row[name]) for name in ("left", "top", "width", "height"))
        place = (int(row["block_num"]), int(row["par_num"]), int(row["line_num"]))
        yield Word(text, left, top, left + width, top + height, float(row["conf"]), place)
