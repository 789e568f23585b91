"""A damaged PDF put together from what is left of it, through qpdf (`pikepdf`).

qpdf finds the objects of a file whose cross-reference table is gone (ISO 32000-1, 7.5.4). It takes an object
that is not there for null (7.3.10), so a page whose fonts were cut off would come out in other letters. So
each missing object gets a stand-in first, and the pages that lead to one are known.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

import pikepdf

_REFERENCE: Final = re.compile(rb"(?<!\d)(\d{1,7}) (\d{1,5}) R\b")
_KIDS: Final = re.compile(rb"/Kids\s*\[([^\]]*)\]")
_TREE_NODE: Final = re.compile(rb"<<[^<>]*/Type\s*/Pages\b[^<>]*>>")
_COUNT: Final = re.compile(rb"/Count\s+(\d+)")
_OBJECT_END: Final = b"endobj"
_LOST: Final = "/FootnoteLost"
_STAND_IN: Final = b"%d %d obj\n<< /FootnoteLost true %s>>\nendobj\n"
_BLANK_PAGE: Final = b"/Type /Page /MediaBox [0 0 612 792] "
_REBUILD: Final = b"startxref\n0\n%%EOF\n"  # there is no table at 0, so the whole file is searched
_UPWARDS: Final = frozenset({"/Parent", "/P", "/StructParents"})
_MAX_OBJECTS: Final = 1_000_000

Gap = Literal["text", "other"]


@dataclass(frozen=True, slots=True)
class Repaired:
    """A whole PDF. Pages keep their numbers: one that is lost is blank."""

    data: bytes
    page_count: int
    lost_pages: tuple[int, ...]  # gone, or what is left of their text would come out as other letters
    incomplete_pages: tuple[int, ...]  # their text is there; a picture or the like is not


class RepairRefused(Exception):
    """Nothing can be saved, or pages could not keep their numbers."""


def repair_pdf(data: bytes, password: str | None = None) -> Repaired:
    """What can be saved of `data`, opened with the password if it has one. Raises RepairRefused."""
    whole = data[: data.rfind(_OBJECT_END) + len(_OBJECT_END)] + b"\n"
    try:
        with _open(whole, password) as found:
            texts = [whole, *_packed(found)]
            stand_ins = _stand_ins(texts, found)
        with _open(whole + stand_ins, password) as document:
            return _repaired(document, _declared_pages(texts))
    except (pikepdf.PdfError, ValueError, TypeError, RecursionError) as error:  # what it raises on damage
        raise RepairRefused(str(error)) from error


def _open(data: bytes, password: str | None) -> pikepdf.Pdf:
    return pikepdf.open(io.BytesIO(data + _REBUILD), password=password or "", suppress_warnings=True)


def _packed(found: pikepdf.Pdf) -> Iterator[bytes]:
    """The text of objects that are packed in streams."""
    for item in found.objects:
        if isinstance(item, pikepdf.Stream) and item.get("/Type") == "/ObjStm":
            yield item.read_bytes()


def _stand_ins(texts: Iterable[bytes], found: pikepdf.Pdf) -> bytes:
    """An object for each that others name and that is not there; for a page a blank one."""
    named, pages = set[tuple[int, int]](), set[tuple[int, int]]()
    for text in texts:
        named |= _references(text)
        for kids in _KIDS.findall(text):
            pages |= _references(kids)
    missing = [each for each in sorted(named)[:_MAX_OBJECTS] if found.get_object(each) is None]
    return b"".join(_STAND_IN % (*each, _BLANK_PAGE if each in pages else b"") for each in missing)


def _references(text: bytes) -> set[tuple[int, int]]:
    return {(int(number), int(generation)) for number, generation in _REFERENCE.findall(text)}


def _declared_pages(texts: Iterable[bytes]) -> int | None:
    """The page count that the root of the page tree tells: the largest of its nodes'."""
    nodes = (node for text in texts for node in _TREE_NODE.findall(text))
    return max((int(count) for node in nodes for count in _COUNT.findall(node)), default=None)


def _repaired(document: pikepdf.Pdf, declared_pages: int | None) -> Repaired:
    count = len(document.pages)
    if declared_pages not in (None, count):
        raise RepairRefused("A branch of the page tree is gone: page numbers would be wrong.")
    gaps = [set(_gaps(page.obj)) for page in document.pages]
    lost = tuple(number for number, found in enumerate(gaps, 1) if "text" in found)
    if len(lost) == count:
        raise RepairRefused("Every page is lost.")
    for number in lost:
        _blank(document.pages[number - 1].obj)
    stream = io.BytesIO()
    document.save(stream)
    incomplete = tuple(number for number, found in enumerate(gaps, 1) if found == {"other"})
    return Repaired(stream.getvalue(), count, lost, incomplete)


def _gaps(page: pikepdf.Object) -> Iterator[Gap]:
    """What is missing of a page: its content or a font, or something else."""
    if _LOST in page or "/Contents" not in page:
        yield "text"
    seen = set[tuple[int, int]]()
    yield from _missing(page.get("/Contents"), "text", seen)
    for node in _with_parents(page):
        yield from _missing(node.get("/Resources"), "other", seen)


def _with_parents(page: pikepdf.Object) -> Iterator[pikepdf.Object]:
    """The page and the nodes above it, whose resources it inherits."""
    for _ in range(50):
        yield page
        parent = page.get("/Parent")
        if not isinstance(parent, pikepdf.Dictionary):
            return
        page = parent


def _missing(item: Any, gap: Gap, seen: set[tuple[int, int]]) -> Iterator[Gap]:
    """A gap for each stand-in that `item` leads to; below a font it is one of the text."""
    if not isinstance(item, pikepdf.Dictionary | pikepdf.Stream | pikepdf.Array):
        return
    if item.is_indirect and item.objgen in seen:
        return
    seen.add(item.objgen)
    if isinstance(item, pikepdf.Array):
        for child in item:
            yield from _missing(child, gap, seen)
        return
    if _LOST in item:
        yield gap
    for key, child in item.items():
        if key not in _UPWARDS:
            yield from _missing(child, "text" if key == "/Font" else gap, seen)


def _blank(page: pikepdf.Object) -> None:
    for key in ("/Contents", "/Resources", "/Annots"):
        if key in page:
            del page[key]
