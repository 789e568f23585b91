"""Parsing through the child process: the whole result, every limit, and a parent that stays up."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from ingest.errors import IngestError
from ingest.failures import NEXT_STEPS, ParseFailure
from ingest.parse import parse
from ingest.parsers.registry import parse_source
from ingest.sandbox import run_in_child
from ingest.sniff import identify
from ingest.source import no_progress
from ingest.types import ParseLimits, Stage
from tests.ingest.samples import pdf, zipped

LIMITS = ParseLimits(ocr_languages="off")


def ignore(stage: Stage, done: int, total: int) -> None:
    pass


def write(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "blob"
    path.write_bytes(data)
    return path


def failure(path: Path, limits: ParseLimits = LIMITS) -> IngestError:
    with pytest.raises(IngestError) as caught:
        parse(path, "report.pdf", limits, ignore)
    error = caught.value
    assert error.code in NEXT_STEPS
    assert (error.stage, error.file_name) == ("parse", "report.pdf")
    assert error.cause.endswith(".")
    assert error.next_step.endswith(".")
    return error


def test_the_child_returns_what_the_parser_gives(tmp_path: Path) -> None:
    path = write(tmp_path, pdf(["First page."], [], ["Third."]))
    calls: list[tuple[str, int, int]] = []
    parsed = parse(path, "report.pdf", LIMITS, lambda *news: calls.append(news))
    direct = parse_source(identify(path, "report.pdf", LIMITS))
    for ours, theirs in zip(parsed.pages, direct.pages, strict=True):
        np.testing.assert_array_equal(ours.boxes, theirs.boxes)
    bare = [replace(d, pages=tuple(replace(p, boxes=None) for p in d.pages)) for d in (parsed, direct)]
    assert bare[0] == bare[1]
    assert ("parse", 3, 3) in calls


def test_a_document_without_boxes_comes_back_whole(tmp_path: Path) -> None:
    path = write(tmp_path, "# Größe\n\na\tb 😀\n\n| x | y |\n|---|---|\n| 1 | 2 |\n".encode())
    assert parse(path, "a.md", LIMITS, ignore) == parse_source(identify(path, "a.md", LIMITS))


@pytest.mark.parametrize(
    ("data", "limits", "code"),
    [
        (b"", LIMITS, "file_empty"),
        (b"some words", ParseLimits(file_bytes=5), "file_too_large"),
        (b"some words", ParseLimits(text_chars=5), "file_too_large"),
        (pdf([], []), LIMITS, "no_text"),
        (pdf(["!\"#$%&'()*+,-./:;<=>?@" * 3]), LIMITS, "no_text"),
        (b" \n\t\0\0", LIMITS, "no_text"),
        (b"!?! --- ...", LIMITS, "no_text"),
        (pdf(["x"], password="p"), LIMITS, "file_encrypted"),
        (zipped({"[Content_Types].xml": "", "word/document.xml": "<x"}), LIMITS, "file_damaged"),
        (pdf(*[["words"] * 50] * 30), ParseLimits(timeout_s=0.05), "parse_timeout"),
        (b"some words", ParseLimits(memory_bytes=32 * 1024**2), "parse_memory"),
    ],
)
def test_each_failure_has_its_code(tmp_path: Path, data: bytes, limits: ParseLimits, code: str) -> None:
    error = failure(write(tmp_path, data), limits)
    assert error.code == code
    assert error.permanent == (code != "parse_timeout")


def test_a_password_opens_the_file_and_a_wrong_one_is_its_own_permanent_failure(tmp_path: Path) -> None:
    path = write(tmp_path, pdf(["The safe is green."], password="sésame"))
    assert parse(path, "a.pdf", LIMITS, ignore, "sésame").text == "The safe is green.\n\n"
    with pytest.raises(IngestError) as caught:
        parse(path, "a.pdf", LIMITS, ignore, "wrong")
    assert (caught.value.code, caught.value.permanent) == ("password_wrong", True)
    inside = write(tmp_path, zipped({"safe.pdf": path.read_bytes()}))
    assert "The safe is green." in parse(inside, "a.zip", LIMITS, ignore, "sésame").text


def test_a_password_is_written_to_no_file(tmp_path: Path) -> None:
    path = write(tmp_path, pdf(["The safe is green."], password="sesame"))
    seen: list[bytes] = []

    def look(stage: Stage, done: int, total: int) -> None:
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.Error, FileNotFoundError):  # a child of another test, just ending
                seen.extend(file.read_bytes() for file in Path(child.cwd()).iterdir() if file.is_file())

    parse(path, "a.pdf", LIMITS, look, "sesame")
    assert seen
    assert not any(b"sesame" in content for content in seen)


def test_a_breakdown_of_the_child_is_reported_not_shared() -> None:
    with pytest.raises(ParseFailure) as caught, run_in_child({"task": "no such task"}, LIMITS, no_progress):
        pass
    assert caught.value.code == "parse_crashed"
    assert "no such task" in caught.value.cause


def test_progress_that_raises_ends_the_child(tmp_path: Path) -> None:
    path = write(tmp_path, pdf(*[["words"] * 50] * 30))

    def stop(stage: Stage, done: int, total: int) -> None:
        raise KeyError("lease lost")

    def children() -> list[psutil.Process]:
        return psutil.Process().children(recursive=True)

    parse(path, "a.pdf", LIMITS, ignore)
    before = children()
    started = time.monotonic()
    with pytest.raises(KeyError, match="lease lost"):
        parse(path, "a.pdf", LIMITS, stop)
    assert time.monotonic() - started < 20
    assert children() == before  # none is left, running or unreaped


def test_the_work_folder_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with run_in_child(
        {"task": "parse", "path": str(write(tmp_path, b"x y")), "file_name": "a", "limits": {}},
        LIMITS,
        no_progress,
    ) as folder:
        assert (folder / "text.txt").read_text() == "x y"
    assert not folder.exists()
