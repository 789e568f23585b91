"""PowerPoint slides from their XML: a page a slide, with tables and speaker notes.

Read here and not by the office library, which puts a space between the runs of one word ("S ome") and
notes on the wrong slide. Element names follow ECMA-376: p: is PresentationML, a: is DrawingML.
"""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator
from typing import Final
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from ingest.builder import DocumentBuilder
from ingest.containers import read_member
from ingest.failures import ParseFailure
from ingest.parsers.tables import table_lines
from ingest.source import Source
from ingest.types import ParsedDocument

_A: Final = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_P: Final = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_R: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_STRICT: Final = {  # ISO 29500 strict files use other namespaces for the same elements
    b"http://purl.oclc.org/ooxml/drawingml/main": _A[1:-1].encode(),
    b"http://purl.oclc.org/ooxml/presentationml/main": _P[1:-1].encode(),
    b"http://purl.oclc.org/ooxml/officeDocument/relationships": _R[1:-1].encode(),
}
_PRESENTATION: Final = "ppt/presentation.xml"
_TITLES: Final = ("title", "ctrTitle")
_FURNITURE: Final = ("sldNum", "dt", "ftr", "hdr", "sldImg")  # repeated on each slide, says nothing


def parse_pptx(source: Source) -> ParsedDocument:
    """A presentation; hidden slides are kept, because presenters still refer to them.

    Raises ParseFailure `file_damaged`.
    """
    builder = DocumentBuilder(source.limits.text_chars)
    with zipfile.ZipFile(source.path) as container:
        names = _slide_names(container)
        for done, name in enumerate(names, 1):
            builder.page()
            _add_slide(container, name, builder)
            source.on_page(done, len(names))
    return builder.build(source.media_type, paged=True)


def _slide_names(container: zipfile.ZipFile) -> list[str]:
    """The slides' member names in the order of the show, which file names do not tell."""
    targets = _relations(container, _PRESENTATION)
    ids = (item.get(f"{_R}id") for item in _xml(container, _PRESENTATION).iter(f"{_P}sldId"))
    return [targets[item] for item in ids if item in targets]


def _add_slide(container: zipfile.ZipFile, name: str, builder: DocumentBuilder) -> None:
    for shape in _shapes(_xml(container, name)):
        if shape.tag == f"{_A}tbl":
            builder.table(table_lines(_table_rows(shape)))
        elif _placeholder(shape) in _TITLES:
            builder.heading(1, " ".join(_paragraphs(shape)))
        elif _placeholder(shape) not in _FURNITURE:
            _add_paragraphs(shape, builder)
    for target in _relations(container, name).values():
        if "/notesSlides/" in target:
            _add_notes(_xml(container, target), builder)


def _add_notes(notes: Element, builder: DocumentBuilder) -> None:
    lines = [
        line
        for shape in _shapes(notes)
        if _placeholder(shape) not in _FURNITURE
        for line in _paragraphs(shape)
    ]
    if lines:
        builder.paragraph("Notes: " + "\n".join(lines))


def _add_paragraphs(shape: Element, builder: DocumentBuilder) -> None:
    for position, line in enumerate(_paragraphs(shape)):
        builder.paragraph(line, tight=position > 0)


def _shapes(root: Element) -> Iterator[Element]:
    """Shapes with text and tables, in drawing order, groups opened."""
    for element in root.iter():
        if element.tag in (f"{_P}sp", f"{_A}tbl"):
            yield element


def _placeholder(shape: Element) -> str | None:
    found = shape.find(f"{_P}nvSpPr/{_P}nvPr/{_P}ph")
    return None if found is None else found.get("type")


def _paragraphs(shape: Element) -> list[str]:
    texts = (_paragraph_text(paragraph) for paragraph in shape.iter(f"{_A}p"))
    return [text for text in texts if text.strip()]


def _paragraph_text(paragraph: Element) -> str:
    """Runs joined without a space: a word may change style in its middle."""
    breaks = {f"{_A}br": "\n", f"{_A}tab": "\t"}
    return "".join(
        (element.text or "") if element.tag == f"{_A}t" else breaks.get(element.tag, "")
        for element in paragraph.iter()
    )


def _table_rows(table: Element) -> list[list[str]]:
    return [[" ".join(_paragraphs(cell)) for cell in row.findall(f"{_A}tc")] for row in table.iter(f"{_A}tr")]


def _relations(container: zipfile.ZipFile, name: str) -> dict[str, str]:
    """Relation id to member name for the member `name`; empty when it has none."""
    folder, file_name = posixpath.split(name)
    relations_name = f"{folder}/_rels/{file_name}.rels"
    if relations_name not in container.namelist():
        return {}
    return {
        item.get("Id", ""): posixpath.normpath(posixpath.join("/", folder, item.get("Target", ""))).lstrip(
            "/"
        )
        for item in _xml(container, relations_name)
        if item.get("TargetMode") != "External"
    }


def _xml(container: zipfile.ZipFile, name: str) -> Element:
    data = read_member(container, name)
    for strict, transitional in _STRICT.items():
        data = data.replace(strict, transitional)
    try:
        return ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        raise ParseFailure("file_damaged", f"Its part {name} is not well formed: {error}.") from error
