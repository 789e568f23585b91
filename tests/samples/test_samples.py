"""The sample collection: reproducible, and every question's answer stands where the question set says."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pypdfium2
import pytest

from samples.make_samples import make_samples
from samples.questions import ANSWERABLE, UNANSWERABLE, Question

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


def page_text(question: Question) -> str:
    """Text of the page, or of all of a file without pages, line breaks as spaces."""
    path = SAMPLES / "files" / str(question.file)
    if path.suffix == ".pdf":
        assert question.page is not None
        with pypdfium2.PdfDocument(path) as pdf:
            return " ".join(pdf[question.page - 1].get_textpage().get_text_bounded().split())
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.startswith(("word/", "xl/"))]
            return "\n".join(archive.read(name).decode("utf-8", "replace") for name in names)
    return path.read_text("utf-8")


def test_two_runs_write_the_same_bytes(tmp_path):
    first, second = (make_samples(tmp_path / name) for name in ("a", "b"))

    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert [path.name for path in first] == sorted(path.name for path in (SAMPLES / "files").iterdir())


@pytest.mark.parametrize("question", ANSWERABLE, ids=lambda question: question.question)
def test_an_answer_stands_in_its_file_on_its_page(question):
    text = page_text(question)

    assert any(answer in text for answer in question.answers)


def test_the_committed_questions_are_the_ones_in_the_source():
    lines = [json.loads(line) for line in (SAMPLES / "questions.jsonl").read_text("utf-8").splitlines()]

    assert [line["question"] for line in lines] == [each.question for each in (*ANSWERABLE, *UNANSWERABLE)]
    assert sum(line["answerable"] for line in lines) == 12
    assert all(bool(line["answers"]) == line["answerable"] for line in lines)
