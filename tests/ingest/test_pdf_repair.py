"""Damaged PDFs: what is left of them is read, what is lost is named, and no letter is made up."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ingest.errors import IngestError
from ingest.failures import ParseFailure
from ingest.parse import parse
from ingest.pdf_pages import render_page
from ingest.types import ParsedDocument, ParseLimits, Stage
from tests.ingest.conftest import ParseBytes
from tests.ingest.samples import pdf

WORDS = [f"Line {number} of the page tells of topic {number * 7}." for number in range(20)]
OBJECT = re.compile(rb"\d+ 0 obj\n.*?endobj\n", re.S)


def without_table(data: bytes) -> bytes:
    """Cut before the cross-reference table."""
    return data[: data.rindex(b"\nxref") + 1]


def without_object(data: bytes, holding: bytes) -> bytes:
    """Without the table, and without the first object that holds these bytes."""
    lost = next(found[0] for found in OBJECT.finditer(data) if holding in found[0])
    return without_table(data).replace(lost, b"")


def page_texts(parsed: ParsedDocument) -> list[str]:
    return [parsed.text[page.start : page.end] for page in parsed.pages]


def first_page(number: int) -> list[str]:
    return [f"Page {number}.", *WORDS]


def test_a_file_cut_before_its_table_is_read_whole(parse_bytes: ParseBytes) -> None:
    data = pdf(first_page(1), first_page(2))
    repaired, intact = parse_bytes(without_table(data), "a.pdf"), parse_bytes(data, "a.pdf")
    assert repaired.text == intact.text
    assert np.array_equal(repaired.pages[1].boxes, intact.pages[1].boxes, equal_nan=True)  # type: ignore[arg-type]
    assert repaired.warnings == (
        "The file is damaged and was repaired. The file ends before its table of contents. No page is lost. "
        "Upload a complete copy as a new version where you can.",
    )
    assert intact.warnings == ()


def page_object(data: bytes, number: int) -> bytes:
    """A piece of the page's object that stands nowhere else."""
    kids = re.search(rb"/Kids \[([^\]]*)\]", data)
    assert kids
    reference = kids[1].split(b"R")[number - 1].strip()
    return reference.split()[0] + b" 0 obj"


def test_a_lost_page_is_named_and_the_others_keep_their_numbers(parse_bytes: ParseBytes) -> None:
    data = pdf(*map(first_page, (1, 2, 3)))
    texts = page_texts(parse_bytes(data, "a.pdf"))
    parsed = parse_bytes(without_object(data, page_object(data, 2)), "a.pdf")
    assert page_texts(parsed) == [texts[0], "", texts[2]]
    assert "Lost, and left blank: 1 of 3 pages (2)." in parsed.warnings[0]
    assert len(parsed.warnings) == 1


def test_a_page_whose_font_is_lost_gives_no_made_up_letters(parse_bytes: ParseBytes) -> None:
    broken = without_object(pdf(["Set in Helvetica."]), b"/BaseFont /Helvetica")
    with pytest.raises(ParseFailure) as caught:
        parse_bytes(broken, "a.pdf")
    assert caught.value.code == "file_truncated"


def test_nothing_is_saved_without_the_page_tree(parse_bytes: ParseBytes) -> None:
    with pytest.raises(ParseFailure) as caught:
        parse_bytes(without_object(pdf(["One."], ["Two."]), b"/Type /Pages"), "a.pdf")
    assert (caught.value.code, caught.value.cause) == (
        "file_truncated",
        "The file ends before its table of contents.",
    )


def test_a_repaired_scan_keeps_the_code_of_its_damage(parse_bytes: ParseBytes) -> None:
    with pytest.raises(ParseFailure) as caught:
        parse_bytes(without_table(pdf([], [])), "a.pdf")
    assert caught.value.code == "file_truncated"


def ignore(stage: Stage, done: int, total: int) -> None:
    pass


def test_the_sandbox_reads_and_draws_a_repaired_file(tmp_path: Path) -> None:
    data = pdf(*map(first_page, (1, 2, 3)))
    path = tmp_path / "cut"
    path.write_bytes(without_object(data, page_object(data, 2)))
    parsed = parse(path, "cut.pdf", ParseLimits(), ignore)
    assert parsed.text.startswith("Page 1.")
    pictures = [render_page(path, number, scale=1.0, boxes=[], place=tmp_path) for number in (2, 3)]
    drawn = [np.asarray(Image.open(io.BytesIO(png)).convert("L")) for png in pictures]
    assert drawn[0].min() == 255  # nothing is on the lost page
    assert drawn[1].min() < 100


def outcome(path: Path) -> ParsedDocument | str:
    try:
        return parse(path, path.name, ParseLimits(), ignore)
    except IngestError as error:
        return error.code


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "least_repaired"),
    [("multi_page.pdf", 1), ("habibi-rotated.pdf", 1), ("bookmark_sample.pdf", 2), ("table.pdf", 1)],
)
def test_whatever_is_kept_of_a_cut_file_is_the_original_word_for_word(
    shared_data: Path, tmp_path: Path, name: str, least_repaired: int
) -> None:
    """A page comes out as it was, or blank."""
    data = (shared_data / "files" / name).read_bytes()
    whole = parse(shared_data / "files" / name, name, ParseLimits(), ignore)
    repaired = 0
    for size in (len(data) - 400, len(data) * 9 // 10, len(data) * 6 // 10):
        path = tmp_path / f"{size}.pdf"
        path.write_bytes(data[:size])
        found = outcome(path)
        if isinstance(found, ParsedDocument):
            repaired += 1
            pairs = zip(page_texts(found), page_texts(whole), strict=True)
            assert all(text in ("", original) for text, original in pairs), size
        else:
            assert found == "file_truncated", size
    assert repaired >= least_repaired
