"""Tables of PDF pages: rows that carry their column names, and doubt where the columns are a guess."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from reportlab.pdfgen.canvas import Canvas

from ingest.chunk import chunk
from ingest.types import ParsedDocument, TokenSpans
from tests.ingest.conftest import ParseBytes
from tests.ingest.samples import Draw, pdf

STOCK = (
    ("Part", "Store", "Counted", "Missing"),
    ("Bolt", "North", "450", ""),
    ("Nut", "South", "289", "23"),
    ("Washer", "", "780", ""),
    ("Gear", "North", "156", "4"),
)
LEFT = (72, 180, 290, 400)


def grid(rows: Sequence[Sequence[str]], lefts: Sequence[int] = LEFT, top: int = 700) -> Draw:
    """A page with cells drawn one by one, as office programs do."""

    def draw(canvas: Canvas) -> None:
        for row, cells in enumerate(rows):
            for left, cell in zip(lefts, cells, strict=False):
                if cell:
                    canvas.drawString(left, top - 20 * row, cell)

    return draw


def tables(parsed: ParsedDocument) -> list[str]:
    return [parsed.text[start:end] for start, end in parsed.table_spans]


def test_rows_carry_the_names_of_their_columns_also_where_cells_are_empty(parse_bytes: ParseBytes) -> None:
    parsed = parse_bytes(pdf(grid(STOCK)), "a.pdf")
    assert tables(parsed) == [
        "Part | Store | Counted | Missing\n"
        "Part: Bolt | Store: North | Counted: 450\n"
        "Part: Nut | Store: South | Counted: 289 | Missing: 23\n"
        "Part: Washer | Counted: 780\n"
        "Part: Gear | Store: North | Counted: 156 | Missing: 4"
    ]
    assert parsed.doubtful_tables == ()


def test_each_letter_keeps_its_box_and_names_have_none(parse_bytes: ParseBytes) -> None:
    parsed = parse_bytes(pdf(grid(STOCK)), "a.pdf")
    boxes = parsed.pages[0].boxes
    assert boxes is not None
    assert len(boxes) == len(parsed.text)
    at = parsed.text.index("Counted: 289")
    assert np.isnan(boxes[at : at + 9]).all()
    np.testing.assert_allclose(boxes[at + 9, 0], 290, atol=1.5)
    np.testing.assert_allclose(boxes[at + 9, 1], 660, atol=1.5)


def test_a_passage_that_is_cut_from_a_long_table_still_says_what_its_figures_are(
    parse_bytes: ParseBytes, token_spans: TokenSpans
) -> None:
    rows = [STOCK[0], *((f"Part{number}", "North", str(number), "1") for number in range(30))]
    parsed = parse_bytes(pdf(grid(rows)), "a.pdf")
    last = chunk(parsed, token_spans, 60)[-1]
    assert "Part: Part29 | Store: North | Counted: 29 | Missing: 1" in last.text


def test_figures_in_columns_without_names_for_their_rows(parse_bytes: ParseBytes) -> None:
    rows = [("", "2024", "2023"), ("Revenue", "$ 3,208", "$ 2,364"), ("Cost", "1,649", "(1,447)")]
    parsed = parse_bytes(pdf(grid(rows, (72, 300, 400))), "a.pdf")
    assert tables(parsed) == [
        "2024 | 2023\nRevenue | 2024: $ 3,208 | 2023: $ 2,364\nCost | 2024: 1,649 | 2023: (1,447)"
    ]


def test_cells_without_a_header_are_left_as_they_are_and_marked(parse_bytes: ParseBytes) -> None:
    parsed = parse_bytes(
        pdf(grid([("4", "5", "6", "7"), ("1", "2", "3", "4"), ("8", "9", "1", "2")])), "a.pdf"
    )
    assert parsed.doubtful_tables == parsed.table_spans
    assert len(tables(parsed)) == 1
    assert "|" not in parsed.text


def test_labels_beside_values_are_no_table_with_wrong_names(parse_bytes: ParseBytes) -> None:
    rows = [
        ("Insured name", "Ada Byron", "Year", "2022"),
        ("Policy", "POL-555", "Model", "Wagon"),
        ("Phone", "425 111", "Trim", "Limited"),
        ("Colour", "White", "Doors", "5"),
    ]
    assert "|" not in parse_bytes(pdf(grid(rows)), "a.pdf").text


def test_running_text_is_not_touched(parse_bytes: ParseBytes) -> None:
    lines = [
        "The committee meets on the first Monday of each month.",
        "It is open to all who wish to come.",
    ] * 6
    parsed = parse_bytes(pdf(lines), "a.pdf")
    assert (parsed.table_spans, parsed.text) == ((), "\n".join(lines) + "\n\n")


def test_two_columns_of_running_text_are_no_table(parse_bytes: ParseBytes) -> None:
    left = [f"The left column has its own story {number} told in" for number in range(8)]
    right = [f"another one stands beside it {number} line by line" for number in range(8)]
    page = grid(list(zip(left, right, strict=True)), (50, 320))
    parsed = parse_bytes(pdf(page), "a.pdf")
    assert "|" not in parsed.text
