"""Pages without text are read from their picture, by a stand-in for Tesseract and by itself where it is."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from ingest import ocr
from ingest.ocr import find_recogniser
from ingest.parse import parse
from ingest.report import quality_report
from ingest.types import ParsedDocument, ParseLimits, Stage
from tests.ingest.samples import pdf

HEAD = "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext"
ROWS = (
    "1\t1\t0\t0\t0\t0\t0\t0\t2479\t3508\t-1\t",
    "5\t1\t1\t1\t1\t1\t300\t300\t100\t50\t96.5\tOpen",
    "5\t1\t1\t1\t1\t2\t420\t300\t60\t50\t95.0\tat",
    "5\t1\t1\t1\t2\t1\t300\t400\t120\t50\t94.0\tnine.",
    "5\t1\t2\t1\t1\t1\t300\t800\t160\t50\t93.0\tClosed",
    "5\t1\t2\t1\t1\t2\t900\t800\t9\t9\t4.0\t~|",
)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that is the whole PATH, so that only what a test puts there is installed."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    ocr.installed_languages.cache_clear()
    yield folder
    ocr.installed_languages.cache_clear()


def install(folder: Path, rows: tuple[str, ...] = ROWS, *, status: int = 0) -> None:
    """A program with Tesseract's way of speaking, which reads every picture as `rows`."""
    script = folder / "tesseract"
    table = "\\n".join((HEAD, *rows)).replace("\t", "\\t")
    script.write_text(
        "#!/bin/sh\n"
        'if [ "$1" = --list-langs ]; then printf "Languages (3):\\neng\\ndeu\\nosd\\n"; exit; fi\n'
        f'echo "$@" > {folder}/asked\n'
        f"printf '{table}\\n'\n"
        f"exit {status}\n"
    )
    script.chmod(0o755)


def scan(lines: tuple[str, ...] = ("Open at nine.",)) -> bytes:
    """A PDF whose one page is a picture of text."""

    def draw(canvas: Canvas) -> None:
        image = Image.new("L", (1240, 1754), 255)
        for row, line in enumerate(lines):
            ImageDraw.Draw(image).text((150, 150 + 80 * row), line, fill=0, font=ImageFont.load_default(48))
        stream = io.BytesIO()
        image.save(stream, "PNG")
        canvas.drawImage(ImageReader(stream), 0, 0, 595, 842)

    return pdf(draw)


def read(folder: Path, data: bytes, languages: str = "auto") -> ParsedDocument:
    path = folder / "blob"
    path.write_bytes(data)
    return parse(path, "scan.pdf", ParseLimits(ocr_languages=languages), ignore)


def ignore(_stage: Stage, _done: int, _total: int) -> None:
    pass


def test_a_scanned_page_gets_words_lines_and_boxes(programs: Path, tmp_path: Path) -> None:
    install(programs)
    parsed = read(tmp_path, scan())
    assert parsed.text == "Open at\nnine.\n\nClosed\n\n"
    assert parsed.recognised_pages == (1,)
    assert (programs / "asked").read_text().split()[:3] == ["-", "-", "--psm"]
    assert "eng+deu" in (programs / "asked").read_text()
    boxes = parsed.pages[0].boxes
    assert boxes is not None
    np.testing.assert_allclose(boxes[0], [72.0, 842 - 84.0, 96.0, 842 - 72.0], atol=0.6)
    assert np.isnan(boxes[4]).all()  # the space between two words
    report = quality_report(parsed)
    assert report.pages_recognised == (1,)
    assert "text recognition" in report.warnings[0]


def test_pages_with_text_are_left_alone(programs: Path, tmp_path: Path) -> None:
    install(programs)
    assert read(tmp_path, pdf(["The office opens at nine."])).text == "The office opens at nine.\n\n"
    assert not (programs / "asked").exists()


def test_a_stamp_on_a_scan_does_not_pass_for_its_text(programs: Path, tmp_path: Path) -> None:
    def stamped(canvas: Canvas) -> None:
        canvas.drawImage(ImageReader(Image.new("L", (600, 800), 250)), 0, 0, 595, 842)
        canvas.drawString(500, 20, "7")

    install(programs)
    assert read(tmp_path, pdf(stamped)).recognised_pages == (1,)


def test_without_the_program_the_page_is_named_with_the_next_step(programs: Path, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="Install Tesseract"):
        read(tmp_path, scan())

    def empty(canvas: Canvas) -> None:
        canvas.rect(10, 10, 500, 500)

    report = quality_report(read(tmp_path, pdf(["Words."], empty)))
    assert report.pages_without_text == (2,)
    assert any("Install Tesseract" in warning for warning in report.warnings)


def test_a_program_that_fails_says_so_and_costs_only_its_pages(programs: Path, tmp_path: Path) -> None:
    def empty(canvas: Canvas) -> None:
        canvas.rect(10, 10, 500, 500)

    install(programs, status=3)
    parsed = read(tmp_path, pdf(["Words."], empty))
    assert parsed.text == "Words.\n\n"
    assert parsed.warnings == ("Page 2: Text recognition failed: exit status 3.",)


def test_languages_are_those_that_are_installed(programs: Path) -> None:
    install(programs)
    assert find_recogniser("off") is None
    assert find_recogniser("fra") is None
    for wanted, chosen in (("auto", "eng+deu"), ("deu", "deu"), ("deu+fra", "deu")):
        found = find_recogniser(wanted)
        assert found is not None
        assert (found.languages, found.turns) == (chosen, True)


@pytest.mark.skipif(find_recogniser("eng") is None, reason="Tesseract with English is not installed")
def test_the_real_program_reads_a_picture(tmp_path: Path) -> None:
    parsed = read(tmp_path, scan(("The office opens at nine.", "Bring your badge.")), "eng")
    assert " ".join(parsed.text.split()) == "The office opens at nine. Bring your badge."
