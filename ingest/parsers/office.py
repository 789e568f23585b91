"""Word, legacy Office, OpenDocument, EPUB, RTF, Outlook mail and a few markups through xberg.

Only this module knows the library. It gives Markdown, which our own reader turns into clean text, so every
offset refers to text that we made. Recognition of scans is off because it would download its data, and the
cache is off because it would keep copies of documents outside the data folder.
"""

from __future__ import annotations

import asyncio
import io
import re
import zipfile
from typing import Final
from xml.etree import ElementTree

import xberg

from ingest.builder import DocumentBuilder
from ingest.containers import read_member
from ingest.failures import ParseFailure
from ingest.parsers.markdown import add_markdown
from ingest.source import Source
from ingest.types import ParsedDocument

_MAIN_PARTS: Final = {"docx": "word/document.xml", "odt": "content.xml", "odp": "content.xml"}
_MASTERS = re.compile(rb"<office:master-styles>.*</office:master-styles>", re.S)
_SLIDE_BREAK = re.compile(r"^-----\n\n", re.M)
_PASSWORD = re.compile(r"password|encrypt", re.I)
_BOMB = re.compile(r"security limit", re.I)


def parse_office(source: Source) -> ParsedDocument:
    """A document without page numbers: Word, OpenDocument text, EPUB, RTF, markup.

    Raises ParseFailure `file_encrypted`, `archive_bomb` or `file_damaged`.
    """
    _check_main_part(source)
    builder = DocumentBuilder(source.limits.text_chars)
    # text was decoded already, whatever its encoding; the library expects UTF-8
    extracted = extract(source, source.text.encode() if source.decoded else source.path.read_bytes())
    add_markdown(extracted.content, builder)
    warnings = (*source.decoding_warnings, *(str(item.message) for item in extracted.processing_warnings))
    return builder.build(source.media_type, title=extracted.metadata.title, warnings=warnings)


def parse_slides(source: Source) -> ParsedDocument:
    """A presentation in the old or the OpenDocument format: a page a slide."""
    _check_main_part(source)
    data = source.path.read_bytes()
    extracted = extract(source, _without_masters(data) if source.family == "odp" else data)
    slides = _SLIDE_BREAK.split(extracted.content)
    builder = DocumentBuilder(source.limits.text_chars)
    if slides[0].strip():
        slides.insert(0, "")
    for slide in slides[1:]:
        builder.page()
        add_markdown(slide, builder)
    return builder.build(source.media_type, paged=len(slides) > 1, title=extracted.metadata.title)


def _check_main_part(source: Source) -> None:
    """The library reads a cut document without a word; a reader must know that the rest is missing."""
    main_part = _MAIN_PARTS.get(source.family)
    if main_part is None:
        return
    with zipfile.ZipFile(source.path) as container:
        if main_part not in container.namelist():
            return  # a package may name its main part otherwise; the library knows where to look
        data = read_member(container, main_part)
    try:
        for _, element in ElementTree.iterparse(io.BytesIO(data)):
            element.clear()
    except ElementTree.ParseError as error:
        raise ParseFailure("file_damaged", f"Its text breaks off or is not well formed: {error}.") from error


def _without_masters(data: bytes) -> bytes:
    """An .odp without its master pages, whose placeholder texts would be read as slide content."""
    cleaned = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(cleaned, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, _MASTERS.sub(b"", content) if name == "styles.xml" else content)
    return cleaned.getvalue()


def extract(source: Source, data: bytes) -> xberg.ExtractedDocument:
    """The library's one document for `data`. Bytes go in, never a path or address it might fetch."""
    given = xberg.ExtractInput(
        kind="bytes", bytes=data, mime_type=source.media_type, filename=f"document.{source.family}"
    )
    options = xberg.ExtractionConfig(
        output_format="markdown", disable_ocr=True, use_cache=False, max_archive_depth=0
    )
    try:
        result = asyncio.run(xberg.extract(given, options))
    except RuntimeError as error:  # the library raises nothing more specific
        raise _failure(str(error)) from error
    if not result.results:
        raise _failure("; ".join(str(item.message) for item in result.errors) or "no document came out")
    return result.results[0]


def _failure(message: str) -> ParseFailure:
    if _PASSWORD.search(message):
        return ParseFailure("file_encrypted", "The file is protected with a password.")
    if _BOMB.search(message):
        return ParseFailure("archive_bomb", f"The file unpacks to far more than it holds: {message}.")
    return ParseFailure("file_damaged", f"The file cannot be read: {message}.")
