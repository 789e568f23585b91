"""PDF text with its boxes, pages, labels, outline and refusals."""

from __future__ import annotations

import ctypes
import io

import numpy as np
import pypdfium2
import pypdfium2.raw as pdfium
import pytest
from reportlab.pdfgen.canvas import Canvas

from ingest.failures import ParseFailure
from ingest.parsers.pdf_text import (
    _drop_unusable,
    _join_hyphenated,
    _join_surrogates,
    _order_lam_alef,
    read_page_text,
)
from ingest.types import ParsedDocument
from tests.ingest.conftest import ParseBytes
from tests.ingest.samples import pdf


def page_text(parsed: ParsedDocument, number: int) -> str:
    page = parsed.pages[number - 1]
    return parsed.text[page.start : page.end]


def arrays(text: str) -> tuple[np.ndarray, np.ndarray]:
    codes = np.array([ord(letter) for letter in text], np.uint32)
    boxes = np.arange(4 * len(text), dtype=np.float32).reshape(-1, 4)
    return codes, boxes


def test_pages_cover_the_text_and_empty_pages_stay(parse_bytes: ParseBytes) -> None:
    parsed = parse_bytes(pdf(["First page."], [], ["Third page."]), "a.pdf")
    assert [page_text(parsed, number) for number in (1, 2, 3)] == ["First page.\n\n", "", "Third page.\n\n"]
    assert parsed.paged
    assert (parsed.pages[0].width_pt, parsed.pages[0].height_pt) == pytest.approx((595.28, 841.89), abs=0.01)


def test_every_character_has_the_box_where_it_was_drawn(parse_bytes: ParseBytes) -> None:
    parsed = parse_bytes(pdf(["Zebra", "quick"]), "a.pdf")
    boxes = parsed.pages[0].boxes
    assert boxes is not None
    assert boxes.shape == (len(parsed.text), 4)
    assert parsed.text == "Zebra\nquick\n\n"
    z, q = boxes[parsed.text.index("Z")], boxes[parsed.text.index("q")]
    assert z == pytest.approx([72.3, 770, 79, 778.7], abs=0.7)  # Helvetica 12 at (72, 770)
    assert q[1] < 756 < q[3]  # its tail hangs below the base line
    assert np.isnan(boxes[[parsed.text.index("\n"), -1]]).all()


def test_the_fast_loop_reads_what_the_plain_calls_read() -> None:
    page = pypdfium2.PdfDocument(pdf(["Plain text, 12 %."]))[0].get_textpage()
    read = read_page_text(page)
    edges = [ctypes.c_double() for _ in range(4)]
    for index, letter in enumerate(read.text):
        assert ord(letter) == pdfium.FPDFText_GetUnicode(page, index)
        assert pdfium.FPDFText_GetCharBox(page, index, *edges)
        left, right, bottom, top = (edge.value for edge in edges)
        if not np.isnan(read.boxes[index]).any():
            assert read.boxes[index] == pytest.approx([left, bottom, right, top], abs=1e-3)


def test_a_wide_gap_starts_a_paragraph(parse_bytes: ParseBytes) -> None:
    assert parse_bytes(pdf(["One", "two", "", "", "Three"]), "a.pdf").text == "One\ntwo\n\nThree\n\n"


def test_surrogate_pairs_become_one_character_with_both_boxes() -> None:
    codes, boxes = _join_surrogates(*arrays("a\ud83d\ude00b"))
    assert "".join(map(chr, codes)) == "a😀b"
    assert boxes[1].tolist() == [4, 5, 10, 11]
    assert boxes[2].tolist() == [12, 13, 14, 15]


def test_lam_alef_is_put_in_order_where_one_glyph_drew_both() -> None:
    codes, boxes = arrays("المشكالت")
    boxes[5] = boxes[6]
    assert "".join(map(chr, _order_lam_alef(codes, boxes))) == "المشكلات"


def test_hyphens_at_line_ends_join_words_only() -> None:
    codes, boxes = _join_hyphenated(*arrays("adip\x02iscing 2019\x022020"))
    assert "".join(map(chr, codes)) == "adipiscing 2019-2020"
    assert len(boxes) == len(codes)


def test_unusable_characters_go_with_their_boxes() -> None:
    codes, boxes, lost = _drop_unusable(*arrays("a\0b\r\nc\ud800\uffffd\t"))
    assert "".join(map(chr, codes)) == "ab\nc\ufffd\ufffdd "
    assert lost == 3
    assert boxes[1].tolist() == [8, 9, 10, 11]


def test_outline_entries_become_headings_at_their_lines(parse_bytes: ParseBytes) -> None:
    def chapters(canvas: Canvas) -> None:
        canvas.bookmarkPage("leave")
        canvas.addOutlineEntry("Leave", "leave", level=0)
        canvas.bookmarkHorizontal("sick", 0, 712)
        canvas.addOutlineEntry("When you are ill", "sick", level=1)
        canvas.drawString(72, 770, "Handbook")
        canvas.drawString(72, 730, "1 Leave")
        canvas.drawString(72, 700, "Call by nine.")

    parsed = parse_bytes(pdf(chapters), "a.pdf")
    assert [(item.level, item.text) for item in parsed.headings] == [(1, "Leave"), (2, "When you are ill")]
    assert parsed.text[parsed.headings[0].start :].startswith("1 Leave")
    assert parsed.text[parsed.headings[1].start :].startswith("Call by nine")


def test_labels_are_kept(parse_bytes: ParseBytes) -> None:
    stream = io.BytesIO()
    canvas = Canvas(stream)
    canvas.addPageLabel(0, style="ROMAN_LOWER", start=3)
    for _ in range(2):
        canvas.drawString(72, 700, "x")
        canvas.showPage()
    canvas.save()
    assert [page.label for page in parse_bytes(stream.getvalue(), "a.pdf").pages] == ["iii", "iv"]


def test_a_password_is_asked_for(parse_bytes: ParseBytes) -> None:
    with pytest.raises(ParseFailure) as caught:
        parse_bytes(pdf(["secret"], password="open"), "a.pdf")
    assert caught.value.code == "file_encrypted"


def test_a_cut_file_and_a_broken_one_are_told_apart(parse_bytes: ParseBytes) -> None:
    data = pdf(["x" * 60] * 40)
    with pytest.raises(ParseFailure) as cut:
        parse_bytes(data[:200], "a.pdf")
    with pytest.raises(ParseFailure) as broken:
        parse_bytes(b"%PDF-1.4\n" + b"\1" * 500 + b"%%EOF", "a.pdf")
    assert (cut.value.code, broken.value.code) == ("file_truncated", "file_damaged")
