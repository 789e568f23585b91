"""Word, PowerPoint, Excel and EPUB made by the usual libraries."""

from __future__ import annotations

import datetime as dt
import io
from pathlib import Path
from typing import Any

import docx
import openpyxl
import pptx
import pytest

from ingest.failures import ParseFailure
from ingest.parsers.sheets import Cell, cell_text
from tests.ingest.conftest import ParseBytes
from tests.ingest.samples import zipped


def saved(document: Any) -> bytes:
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def test_word_text_headings_lists_and_tables(parse_bytes: ParseBytes) -> None:
    document = docx.Document()
    document.add_heading("Travel", 1)
    paragraph = document.add_paragraph("Trains go ")
    paragraph.add_run("fi").bold = True
    paragraph.add_run("rst.")
    document.add_heading("Rates", 2)
    table = document.add_table(rows=2, cols=2)
    for cell, text in zip(
        table.rows[0].cells + table.rows[1].cells, ("City", "Rate", "Oslo", "90 EUR"), strict=True
    ):
        cell.text = text
    parsed = parse_bytes(saved(document), "a.docx")
    assert [(item.level, item.text) for item in parsed.headings] == [(1, "Travel"), (2, "Rates")]
    assert "Trains go first." in parsed.text
    assert [parsed.text[slice(*span)] for span in parsed.table_spans] == ["City: Oslo | Rate: 90 EUR"]
    assert not parsed.paged
    assert len(parsed.pages) == 1


def test_a_cut_word_document_is_damage_not_half_a_text(parse_bytes: ParseBytes) -> None:
    body = "<w:document xmlns:w='http://schemas.openxmlformats.org/wordprocessingml/2006/main'><w:body><w:p>"
    with pytest.raises(ParseFailure, match="breaks off") as caught:
        parse_bytes(zipped({"[Content_Types].xml": "<Types/>", "word/document.xml": body}), "a.docx")
    assert caught.value.code == "file_damaged"


def test_slides_are_pages_with_whole_words_tables_and_their_own_notes(parse_bytes: ParseBytes) -> None:
    show = pptx.Presentation()
    first = show.slides.add_slide(show.slide_layouts[1])
    first.shapes.title.text = "Plan"
    runs = first.placeholders[1].text_frame.paragraphs[0]
    runs.add_run().text = "S"
    runs.add_run().text = "ome words"
    second = show.slides.add_slide(show.slide_layouts[5])
    second.shapes.title.text = "Costs"
    table = second.shapes.add_table(2, 2, 0, 0, 100, 100).table
    for (row, column), text in {(0, 0): "Item", (0, 1): "Price", (1, 0): "Nut", (1, 1): "3"}.items():
        table.cell(row, column).text = text
    second.notes_slide.notes_text_frame.text = "Say it slowly."
    parsed = parse_bytes(saved(show), "a.pptx")
    assert [parsed.text[page.start : page.end].strip() for page in parsed.pages] == [
        "Plan\n\nSome words",
        "Costs\n\nItem: Nut | Price: 3\n\nNotes: Say it slowly.",
    ]
    assert parsed.paged
    assert [item.text for item in parsed.headings] == ["Plan", "Costs"]


def test_sheets_are_pages_whose_rows_carry_the_header(parse_bytes: ParseBytes) -> None:
    book = openpyxl.Workbook()
    staff = book.create_sheet("Staff", 0)
    del book["Sheet"]
    for row in (
        ["Name", "Since", "Hours"],
        ["Ada", dt.date(2024, 5, 1), 38.0],
        [None, None, None],
        ["Bo", None, 7.5],
    ):
        staff.append(row)
    book.create_sheet("Empty")
    book.create_sheet("Secret").sheet_state = "hidden"
    parsed = parse_bytes(saved(book), "a.xlsx")
    assert parsed.text.strip() == "Staff\n\nName: Ada | Since: 2024-05-01 | Hours: 38\nName: Bo | Hours: 7.5"
    assert [(page.number, page.label) for page in parsed.pages] == [(1, "Staff"), (2, "Empty")]
    assert parsed.warnings == ("Hidden sheets were left out: Secret.",)


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (89.0, "89"),
        (0.1 + 0.2, "0.3"),
        (1e20, "1e+20"),
        (True, "TRUE"),
        (dt.datetime(2024, 5, 1), "2024-05-01"),
        (dt.datetime(2024, 5, 1, 9, 30), "2024-05-01 09:30:00"),
        ("", ""),
    ],
)
def test_cells_are_written_as_people_write_them(cell: Cell, text: str) -> None:
    assert cell_text(cell) == text


def test_a_workbook_that_is_none_is_damage(parse_bytes: ParseBytes) -> None:
    with pytest.raises(ParseFailure) as caught:
        parse_bytes(zipped({"[Content_Types].xml": "", "xl/workbook.xml": "<not closed"}), "a.xlsx")
    assert caught.value.code == "file_damaged"


def test_epub_chapters_become_headings(parse_bytes: ParseBytes, tmp_path: Path) -> None:
    chapter = (
        '<html xmlns="http://www.w3.org/1999/xhtml"><head><title>x</title></head>'
        "<body><h1>Chapter one</h1><p>It was <b>late</b>.</p></body></html>"
    )
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><metadata/><manifest>'
        '<item id="c" href="c.xhtml" media-type="application/xhtml+xml"/></manifest>'
        '<spine><itemref idref="c"/></spine></package>'
    )
    container = (
        '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0"><rootfiles>'
        '<rootfile full-path="p.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
    )
    members = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": container,
        "p.opf": package,
        "c.xhtml": chapter,
    }
    parsed = parse_bytes(zipped(members), "a.epub")
    assert [item.text for item in parsed.headings] == ["Chapter one"]
    assert parsed.text == "Chapter one\n\nIt was late."
