"""What a file is, by its bytes. The name decides only between kinds of plain text."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import olefile

from ingest.compound import UNREADABLE
from ingest.containers import open_container
from ingest.decode import Decoded, decode
from ingest.failures import ParseFailure
from ingest.source import PageProgress, Source, no_progress
from ingest.types import ParseLimits

MEDIA_TYPES: Final[dict[str, str]] = {
    "pdf": "application/pdf",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "odt": "application/vnd.oasis.opendocument.text",
    "odp": "application/vnd.oasis.opendocument.presentation",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "epub": "application/epub+zip",
    "doc": "application/msword",
    "ppt": "application/vnd.ms-powerpoint",
    "xls": "application/vnd.ms-excel",
    "msg": "application/vnd.ms-outlook",
    "zip": "application/zip",
    "rtf": "application/rtf",
    "eml": "message/rfc822",
    "html": "text/html",
    "xml": "application/xml",
    "jats": "application/x-jats+xml",
    "vtt": "text/vtt",
    "rst": "text/x-rst",
    "latex": "application/x-latex",
    "asciidoc": "text/asciidoc",
    "markdown": "text/markdown",
    "csv": "text/csv",
    "tsv": "text/tab-separated-values",
    "json": "application/json",
    "jsonl": "application/jsonl",
    "text": "text/plain",
}
"""Family to the media type that the API reports."""

PDF_HEADER_WITHIN_BYTES: Final = 1024  # Adobe's readers search this far (ISO 32000-1, H.3 note 13)
_PDF_HEADER: Final = re.compile(rb"%PDF-[12]\.\d")
_PDF_OBJECT: Final = re.compile(rb"(?:^|[\r\n])\d+ \d+ obj\b")
_OLE_HEADER: Final = bytes.fromhex("d0cf11e0a1b11ae1")
_IMAGES: Final = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\x00", b"MM\x00*", b"BM")
_BINARIES: Final = {  # recognised only to name them in the error
    b"\x1f\x8b": "a gzip archive",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"Rar!": "a RAR archive",
    b"\x7fELF": "a program",
    b"MZ": "a program",
    b"ID3": "a sound recording",
    b"OggS": "a sound recording",
    b"\x00\x00\x00\x18ftyp": "a video",
    b"\x00\x00\x00\x20ftyp": "a video",
    b"SQLite format 3": "a database",
}
_OLE_STREAMS: Final = (  # names at the top of the compound file, tried in order
    ("EncryptedPackage", None),
    ("WordDocument", "doc"),
    ("PowerPoint Document", "ppt"),
    ("Workbook", "xls"),
    ("Book", "xls"),
    ("__properties_version1.0", "msg"),
)
_OFFICE_TYPES: Final = "[Content_Types].xml"  # in every package; archives may have such folders, too
_OFFICE_FOLDERS: Final = {"word/": "docx", "ppt/": "pptx", "xl/": "xlsx"}
_TEXT_SUFFIXES: Final = {
    **dict.fromkeys((".html", ".htm", ".xhtml", ".mhtml"), "html"),
    **dict.fromkeys((".md", ".markdown"), "markdown"),
    **dict.fromkeys((".asciidoc", ".adoc"), "asciidoc"),
    **dict.fromkeys((".jsonl", ".ndjson"), "jsonl"),
    ".csv": "csv",
    ".tsv": "tsv",
    ".rst": "rst",
    ".tex": "latex",
    ".eml": "eml",
}
_HTML_START = re.compile(r"(?:<!--.*?-->\s*|<\?xml[^>]*>\s*)*(?:<!doctype\s+html|<html)\b", re.I | re.S)
_XML_START = re.compile(r"<\?xml\b|<!DOCTYPE\s+(?!html)\w|<rss\b|<feed\b", re.I)
_JATS_START = re.compile(r"<article\b[^>]*>|-//NLM//DTD JATS", re.I)
_MAIL_HEADER = re.compile(r"(?:[A-Za-z][A-Za-z-]{1,40}:[ \t].*\n(?:[ \t].*\n)*){2}")
_MAIL_FIELD = re.compile(
    r"^(?:From|To|Received|Return-Path|MIME-Version|Message-ID|Delivered-To):", re.I | re.M
)


def identify(path: Path, file_name: str, limits: ParseLimits, on_page: PageProgress = no_progress) -> Source:
    """The file at `path` with its family, ready for its parser.

    Raises ParseFailure for empty, unknown, truncated, encrypted and over-packed files.
    """
    with path.open("rb") as stream:
        head = stream.read(PDF_HEADER_WITHIN_BYTES)
    if not head:
        raise ParseFailure("file_empty", "The file has no bytes.")
    family, decoded = _family(path, head, file_name, limits)
    return Source(path, file_name, family, MEDIA_TYPES[family], decoded, limits, on_page)


def _family(path: Path, head: bytes, file_name: str, limits: ParseLimits) -> tuple[str, Decoded | None]:
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip_family(path, limits), None
    if head.startswith(_OLE_HEADER):
        return _ole_family(path), None
    if head.startswith(b"{\\rtf"):
        return "rtf", None
    if _is_pdf(path, head):
        return "pdf", None
    _refuse_known_binaries(head)
    decoded = decode(path.read_bytes())
    return _text_family(decoded.text, Path(file_name).suffix.lower()), decoded


def _is_pdf(path: Path, head: bytes) -> bool:
    """Whether the header is there; behind other bytes only with the structure of a PDF.

    Otherwise a text about the format, or an archive that begins with a PDF, would be taken for one.
    """
    if head.startswith(b"%PDF-"):
        return True
    return _PDF_HEADER.search(head) is not None and _PDF_OBJECT.search(path.read_bytes()) is not None


def _refuse_known_binaries(head: bytes) -> None:
    if head.startswith(_IMAGES) or head[8:12] == b"WEBP":
        raise ParseFailure(
            "file_unknown_type",
            "The file is a picture, not a document.",
            "Put it into a PDF and upload that: where Tesseract is installed, its text is recognised.",
        )
    for start, what in _BINARIES.items():
        if head.startswith(start):
            raise ParseFailure("file_unknown_type", f"The file is {what}, not a document.")


def _zip_family(path: Path, limits: ParseLimits) -> str:
    names = {member.filename for member in open_container(path, limits)}
    declared = _declared_media_type(path, names)
    for family in ("epub", "odt", "odp", "ods"):
        if declared.startswith(MEDIA_TYPES[family]):
            return family
    if _OFFICE_TYPES in names:
        for folder, family in _OFFICE_FOLDERS.items():
            if any(name.startswith(folder) for name in names):
                return family
    if "META-INF/container.xml" in names:
        return "epub"
    return "zip"


def _declared_media_type(path: Path, names: set[str]) -> str:
    if "mimetype" not in names:
        return ""
    with zipfile.ZipFile(path) as container, container.open("mimetype") as member:
        return member.read(200).decode("ascii", "replace").strip()


def _ole_family(path: Path) -> str:
    streams = _ole_streams(path.read_bytes())
    for stream, family in _OLE_STREAMS:
        if stream in streams:
            if family is None:
                raise ParseFailure("file_encrypted", "The file is protected with a password.")
            return family
    raise ParseFailure("file_unknown_type", "The file is an old Office container of an unknown kind.")


def _ole_streams(data: bytes) -> set[str]:
    """Which of the known streams stand at the top of the container; a file inside it has its own below.

    Where its directory is damaged they are looked for in all its bytes: the parser then says what is wrong.
    """
    with suppress(*UNREADABLE):
        container = olefile.OleFileIO(io.BytesIO(data))
        found = {stream for stream, _ in _OLE_STREAMS if container.exists(stream)}
        if found or not container.parsing_issues:
            return found
    return {stream for stream, _ in _OLE_STREAMS if stream.encode("utf-16-le") in data}


def _text_family(text: str, suffix: str) -> str:
    """Content first: markup, mail and subtitles say what they are; a suffix decides among the rest."""
    start = text[:4096].lstrip()
    for family, says_so in _SELF_DESCRIBING.items():
        if says_so(start):
            return family
    named = _TEXT_SUFFIXES.get(suffix, "text")
    if named == "text" and start[:1] in ("{", "["):
        return _json_family(text)
    return named


def _json_family(text: str) -> str:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        first_line = text.lstrip().split("\n", 1)[0]
        return "jsonl" if _is_json(first_line) else "text"
    return "json"


def _is_json(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict | list)
    except (ValueError, RecursionError):
        return False


def _is_mail(start: str) -> bool:
    found = _MAIL_HEADER.match(start.replace("\r\n", "\n"))
    return bool(found and _MAIL_FIELD.search(found[0]))


_SELF_DESCRIBING: Final[dict[str, Callable[[str], bool]]] = {
    "html": lambda start: bool(_HTML_START.match(start)),
    "jats": lambda start: bool(_XML_START.match(start) and _JATS_START.search(start)),
    "xml": lambda start: bool(_XML_START.match(start)),
    "vtt": lambda start: start.startswith("WEBVTT"),
    "eml": _is_mail,
}
