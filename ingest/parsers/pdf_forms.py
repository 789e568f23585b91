"""What people wrote into a PDF form: the page's text does not hold it, the form's fields do."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final
from xml.etree import ElementTree

import numpy as np
import pypdfium2
import pypdfium2.raw as pdfium

from ingest.cleaning import clean
from ingest.parsers.pdf_text import PageText

_WRITTEN: Final = (
    pdfium.FPDF_FORMFIELD_TEXTFIELD,
    pdfium.FPDF_FORMFIELD_COMBOBOX,
    pdfium.FPDF_FORMFIELD_LISTBOX,
)
_TICKED: Final = (pdfium.FPDF_FORMFIELD_CHECKBOX, pdfium.FPDF_FORMFIELD_RADIOBUTTON)
XFA_WARNING: Final = (
    "This is an XFA form: its words and values were read, but its layout is not known and no page shows them."
)
_MAX_FIELDS: Final = 2_000  # of one page
_MAX_XFA_BYTES: Final = 50_000_000
_TEMPLATE: Final = "{http://www.xfa.org/schema/xfa-template/"
_DOCTYPE = re.compile(rb"<!DOCTYPE", re.I)


def has_fields(document: pypdfium2.PdfDocument) -> bool:
    """Whether the document is a form; it must be asked for before its pages are opened."""
    if document.get_formtype() == pdfium.FORMTYPE_NONE:
        return False
    document.init_forms()
    return document.formenv is not None


def with_fields(document: pypdfium2.PdfDocument, page: Any, found: PageText) -> PageText:
    """`found` with a line `name: value` for each field of the page that is filled in."""
    texts, boxes = [found.text], [found.boxes]
    for name, value, box in _fields(document, page):
        start = "\n" if texts[-1] else ""
        label = f"{start}{name}: " if name else start
        texts.append(label + value)
        boxes.append(np.full((len(label), 4), np.nan, np.float32))
        boxes.append(np.tile(np.array(box, np.float32), (len(value), 1)))
    if len(texts) == 1:
        return found
    codes = np.frombuffer("".join(texts).encode("utf-32-le"), np.uint32).copy()
    return replace(found, codes=codes, boxes=np.concatenate(boxes))


def _fields(document: pypdfium2.PdfDocument, page: Any) -> Iterator[tuple[str, str, tuple[float, ...]]]:
    for index in range(min(pdfium.FPDFPage_GetAnnotCount(page), _MAX_FIELDS)):
        annotation = pdfium.FPDFPage_GetAnnot(page, index)
        if not annotation:
            continue
        try:
            value = _value(document.formenv, annotation)
            if value:
                yield _name(document.formenv, annotation), value, _box(annotation)
        finally:
            pdfium.FPDFPage_CloseAnnot(annotation)


def _value(form: Any, annotation: Any) -> str:
    kind = pdfium.FPDFAnnot_GetFormFieldType(form, annotation)
    if kind in _WRITTEN:
        return _text(pdfium.FPDFAnnot_GetFormFieldValue, form, annotation)
    if kind in _TICKED and pdfium.FPDFAnnot_IsChecked(form, annotation):
        return _text(pdfium.FPDFAnnot_GetFormFieldExportValue, form, annotation) or "yes"
    return ""


def _name(form: Any, annotation: Any) -> str:
    """The name shown to people, or the technical one."""
    return _text(pdfium.FPDFAnnot_GetFormFieldAlternateName, form, annotation) or _text(
        pdfium.FPDFAnnot_GetFormFieldName, form, annotation
    )


def _text(read: Callable[..., int], form: Any, annotation: Any) -> str:
    """PDFium's way with strings: the length first, in bytes of UTF-16 with its end mark, then the text."""
    size = read(form, annotation, None, 0)
    if size <= 2:
        return ""
    buffer = ctypes.create_string_buffer(size)
    read(form, annotation, ctypes.cast(buffer, ctypes.POINTER(pdfium.FPDF_WCHAR)), size)
    return " ".join(clean(buffer.raw[: size - 2].decode("utf-16-le", "replace"))[0].split())


def _box(annotation: Any) -> tuple[float, ...]:
    rectangle = pdfium.FS_RECTF()
    if not pdfium.FPDFAnnot_GetRect(annotation, rectangle):
        return (float("nan"),) * 4
    return rectangle.left, rectangle.bottom, rectangle.right, rectangle.top


def is_xfa(document: pypdfium2.PdfDocument) -> bool:
    """Whether the pages are made by a program inside the file, and only say "please wait" without it."""
    return bool(document.get_formtype() == pdfium.FORMTYPE_XFA_FULL)


def with_xfa(document: pypdfium2.PdfDocument, found: PageText) -> PageText:
    """The first page's text with the words and values of an XFA form, which have no place on the page."""
    if not is_xfa(document):
        return found
    packets = dict(_packets(document))
    lines = [*_captions(packets.get("template", b"")), *_values(packets.get("datasets", b""))]
    added = clean(("\n\n" if found.text else "") + "\n".join(lines))[0] if lines else ""
    return replace(
        found,
        codes=np.concatenate([found.codes, np.frombuffer(added.encode("utf-32-le"), np.uint32)]),
        boxes=np.concatenate([found.boxes, np.full((len(added), 4), np.nan, np.float32)]),
    )


def _packets(document: pypdfium2.PdfDocument) -> Iterator[tuple[str, bytes]]:
    for index in range(pdfium.FPDF_GetXFAPacketCount(document)):
        size = pdfium.FPDF_GetXFAPacketName(document, index, None, 0)
        name = ctypes.create_string_buffer(max(size, 1))
        pdfium.FPDF_GetXFAPacketName(document, index, name, size)
        yield name.value.decode("utf-8", "replace"), _packet(document, index)


def _packet(document: pypdfium2.PdfDocument, index: int) -> bytes:
    needed = ctypes.c_ulong()
    pdfium.FPDF_GetXFAPacketContent(document, index, None, 0, needed)
    if not 0 < needed.value <= _MAX_XFA_BYTES:
        return b""
    content = ctypes.create_string_buffer(needed.value)
    pdfium.FPDF_GetXFAPacketContent(document, index, content, needed.value, needed)
    return content.raw


def _captions(template: bytes) -> Iterator[str]:
    """The texts that the form shows."""
    for element in _elements(template):
        if element.tag.startswith(_TEMPLATE) and element.tag.endswith("}text") and element.text:
            yield " ".join(element.text.split())


def _values(datasets: bytes) -> Iterator[str]:
    """What was filled in, as `field: value`."""
    for element in _elements(datasets):
        if len(element) == 0 and element.text and element.text.strip():
            yield f"{element.tag.rpartition('}')[2]}: {' '.join(element.text.split())}"


def _elements(data: bytes) -> list[ElementTree.Element]:
    if not data.strip() or _DOCTYPE.search(data):
        return []
    try:
        return list(ElementTree.fromstring(data).iter())
    except ElementTree.ParseError:
        return []
