"""Writes the sample collection: `python -m samples.make_samples [folder]`.

The same bytes come out of every run with the same libraries: dates and ids are fixed, because the files are
committed and a changed byte would be a changed document to the product.
"""

from __future__ import annotations

import html
import json
import re
import sys
import zipfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from docx import Document
from openpyxl import Workbook
from openpyxl.worksheet.worksheet import Worksheet
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, PageBreak, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from samples import content, products
from samples.questions import records

FOLDER = Path(__file__).parent
AUTHOR = "Lumenfjord Instruments"
WRITTEN = datetime(2026, 3, 12, 9, 0, tzinfo=UTC)
ZIP_TIME = (2026, 3, 12, 9, 0, 0)

INK = colors.HexColor("#1f2a33")
ACCENT = colors.HexColor("#1d6f74")
TITLE = ParagraphStyle(
    "title", fontName="Times-Bold", fontSize=24, leading=30, textColor=ACCENT, spaceAfter=14
)
HEADING = ParagraphStyle(
    "heading", fontName="Times-Bold", fontSize=16, leading=20, textColor=ACCENT, spaceAfter=10
)
BODY = ParagraphStyle(
    "body", fontName="Times-Roman", fontSize=11.5, leading=16.5, textColor=INK, spaceAfter=9
)


def write_pdf(
    path: Path, title: str, sections: Sequence[content.Section], after: dict[int, Flowable]
) -> None:
    """A PDF with one section a page; `after` puts a table below the section of that index."""
    story: list[Flowable] = [Paragraph(title, TITLE)]
    for index, section in enumerate(sections):
        story += [PageBreak()] if index else []
        story.append(Paragraph(section.heading, HEADING))
        story += [Paragraph(html.escape(text), BODY) for text in section.paragraphs]
        story += [Spacer(1, 4 * mm), after[index]] if index in after else []
    margin = 28 * mm
    document = SimpleDocTemplate(
        str(path), pagesize=A4, title=title, author=AUTHOR, invariant=1,
        leftMargin=margin, rightMargin=margin, topMargin=margin, bottomMargin=margin,
    )  # fmt: skip
    footer = page_footer(title)
    document.build(story, onFirstPage=footer, onLaterPages=footer)


def page_footer(title: str) -> Callable[[Canvas, SimpleDocTemplate], None]:
    """Draws title and page number below the text."""

    def draw(canvas: Canvas, document: SimpleDocTemplate) -> None:
        canvas.setFont("Times-Italic", 9)
        canvas.setFillColor(INK)
        canvas.drawString(28 * mm, 15 * mm, f"{AUTHOR} | {title}")
        canvas.drawRightString(A4[0] - 28 * mm, 15 * mm, str(document.page))

    return draw


def revenue_table() -> Table:
    """Revenue by product line, the last row a total."""
    table = Table([content.REVENUE_HEADER, *content.REVENUE_ROWS], colWidths=[62 * mm] + [26 * mm] * 3)
    table.setStyle(
        TableStyle(
            [
                ("FONT", (0, 0), (-1, -1), "Times-Roman", 11),
                ("FONT", (0, 0), (-1, 0), "Times-Bold", 11),
                ("FONT", (0, -1), (-1, -1), "Times-Bold", 11),
                ("ALIGN", (1, 0), (-1, -1), "RIGHT"),
                ("LINEBELOW", (0, 0), (-1, 0), 0.8, ACCENT),
                ("LINEABOVE", (0, -1), (-1, -1), 0.8, ACCENT),
                ("TEXTCOLOR", (0, 0), (-1, -1), INK),
            ]
        )
    )
    return table


def write_docx(path: Path, title: str, sections: Sequence[content.Section]) -> None:
    """A Word file with real heading styles."""
    document = Document()
    properties = document.core_properties
    properties.author, properties.title = AUTHOR, title
    properties.created = properties.modified = WRITTEN.replace(tzinfo=None)  # python-docx writes naive UTC
    document.add_heading(title, level=0)
    for section in sections:
        document.add_heading(section.heading, level=1)
        for text in section.paragraphs:
            document.add_paragraph(text)
    document.save(str(path))
    freeze_zip(path)


def write_xlsx(path: Path) -> None:
    """Two sheets: articles with stock, and services."""
    workbook = Workbook()
    sheet = workbook.active
    assert isinstance(sheet, Worksheet)  # a new workbook has one worksheet
    sheet.title = "Articles"
    for row in (products.PRICE_HEADER, *products.PRICES):
        sheet.append(row)
    services = workbook.create_sheet("Services")
    for row in (products.SERVICE_HEADER, *products.SERVICES):
        services.append(row)
    for each in (sheet, services):
        each.freeze_panes = "A2"
        each.column_dimensions["B"].width = 42
    workbook.properties.creator = AUTHOR
    workbook.save(path)
    freeze_zip(path)


def freeze_zip(path: Path) -> None:
    """Rewrites an Office file with fixed member and document times."""
    stamp = WRITTEN.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    frozen = BytesIO()
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(frozen, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            data = source.read(name)
            if name == "docProps/core.xml":
                data = re.sub(rb"(<dcterms:(created|modified)[^>]*>)[^<]*", rb"\g<1>" + stamp, data)
            target.writestr(zipfile.ZipInfo(name, ZIP_TIME), data, zipfile.ZIP_DEFLATED)
    path.write_bytes(frozen.getvalue())


def faq_page() -> str:
    """The FAQ as an HTML page with one heading a question."""
    entries = "\n".join(
        f"  <h2>{html.escape(question)}</h2>\n  <p>{html.escape(answer)}</p>"
        for question, answer in products.FAQ
    )
    title = html.escape(products.FAQ_TITLE)
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n  <meta charset="utf-8">\n  <title>{title}</title>\n'
        f"</head>\n<body>\n  <h1>{title}</h1>\n{entries}\n</body>\n</html>\n"
    )


def write_questions(path: Path) -> None:
    """One JSON record a line."""
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records()), "utf-8")


def make_samples(folder: Path) -> list[Path]:
    """Writes every sample file into `folder` and returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    write_pdf(folder / "employee-handbook.pdf", "Employee handbook", content.HANDBOOK, {})
    write_pdf(folder / "annual-report-2025.pdf", "Annual report 2025", content.REPORT, {1: revenue_table()})
    write_docx(folder / "travel-and-expense-policy.docx", "Travel and expense policy", content.TRAVEL_POLICY)
    (folder / "pellucid-4-faq.html").write_text(faq_page(), "utf-8")
    (folder / "marshwell-release-notes.md").write_text(products.RELEASE_NOTES, "utf-8")
    write_xlsx(folder / "price-and-stock-list.xlsx")
    return sorted(folder.iterdir())


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER / "files"
    for written in make_samples(target):
        sys.stdout.write(f"{written} ({written.stat().st_size} bytes)\n")
    write_questions(FOLDER / "questions.jsonl")
