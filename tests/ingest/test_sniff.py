"""What a file is: content first, the name only among kinds of text."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.compound import Storage, compound_file
from ingest.failures import ParseFailure
from ingest.parsers.registry import PARSERS
from ingest.sniff import MEDIA_TYPES, identify
from ingest.types import ParseLimits
from tests.ingest.samples import ole, outlook, pdf, stored, zipped

HTML = b"<!-- saved --><!DOCTYPE html><p>x</p>"
MAIL = b"Received: by host\n\twith more\nSubject: x\nFrom: a@b.example\n\nbody"


def family(tmp_path: Path, data: bytes, file_name: str) -> str:
    path = tmp_path / "blob"
    path.write_bytes(data)
    return identify(path, file_name, ParseLimits()).family


def refusal(tmp_path: Path, data: bytes, file_name: str = "file") -> ParseFailure:
    with pytest.raises(ParseFailure) as caught:
        family(tmp_path, data, file_name)
    return caught.value


@pytest.mark.parametrize(
    ("data", "file_name", "expected"),
    [
        (pdf(["x"]), "report.docx", "pdf"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + pdf(["x"]), "report.pdf", "pdf"),
        (zipped({"[Content_Types].xml": "", "word/document.xml": ""}), "report.pdf", "docx"),
        (zipped({"[Content_Types].xml": "", "ppt/presentation.xml": ""}), "x", "pptx"),
        (zipped({"[Content_Types].xml": "", "xl/workbook.xml": ""}), "x.xlsm", "xlsx"),
        (zipped({"mimetype": "application/epub+zip", "a.xhtml": ""}), "x", "epub"),
        (zipped({"META-INF/container.xml": ""}), "x", "epub"),
        (zipped({"word/list.txt": "x", "xl/a.csv": "y"}), "x", "zip"),
        (zipped({"a.txt": "x"}), "report.docx", "zip"),
        (zipped({"mimetype": "application/vnd.oasis.opendocument.spreadsheet"}), "x", "ods"),
        (ole("WordDocument"), "x.xls", "doc"),
        (ole("Workbook"), "x.doc", "xls"),
        (ole("PowerPoint Document"), "x", "ppt"),
        (ole("__properties_version1.0"), "x", "msg"),
        (b"{\\rtf1 x}", "x.txt", "rtf"),
        (b"\n\nsent by a scanner\n" + pdf(["x"]), "x", "pdf"),
        (b"Every PDF begins with %PDF-1.7 and a number.", "formats.md", "markdown"),
        (stored({"a.pdf": pdf(["x"]), "b.txt": "y"}), "x.zip", "zip"),
        (HTML, "report.pdf", "html"),
        (HTML, "notes.md", "html"),
        (b"<h1>x</h1>", "page.html", "html"),
        (b"<h1>x</h1>", "readme.md", "markdown"),
        (b"<?xml version='1.0'?><rss/>", "x", "xml"),
        (b"<?xml version='1.0'?><article article-type='x'>", "x", "jats"),
        (b"<!DOCTYPE article PUBLIC '-//NLM//DTD JATS'><article>", "x", "jats"),
        (b"WEBVTT\n\n00:00.000", "x.txt", "vtt"),
        (MAIL, "x.txt", "eml"),
        (b"Note: one\nOther: two\n", "x.txt", "text"),
        (b"a;b\n1;2", "x.csv", "csv"),
        (b"a\tb", "x.tsv", "tsv"),
        (b'{"a": 1}', "x", "json"),
        (b'{"a": 1}\n{"a": 2}', "x.json", "jsonl"),
        (b"{not json", "x.json", "text"),
        (b"[1] a reference", "x.txt", "text"),
        (b"Title\n=====", "x.rst", "rst"),
        (b"just words", "x.xyz", "text"),
    ],
)
def test_content_decides(tmp_path: Path, data: bytes, file_name: str, expected: str) -> None:
    assert family(tmp_path, data, file_name) == expected


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        ({"WordDocument": b"x", "ObjectPool": {"_1": {"Workbook": b"y"}}}, "doc"),
        ({"Workbook": b"x", "MBD0001": {"WordDocument": b"y"}}, "xls"),
        (outlook("Booking", "PowerPoint Document", {"Book1.xlsx": b"x"}), "msg"),
        (outlook("Fwd", "See below.", {"a.doc": compound_file({"WordDocument": b"x"})}), "msg"),
        (outlook("Fwd", "See below.", {"a.docx": compound_file({"EncryptedPackage": b"x"})}), "msg"),
    ],
)
def test_what_stands_in_an_old_office_file_is_not_what_it_is(
    tmp_path: Path, container: Storage, expected: str
) -> None:
    assert family(tmp_path, compound_file(container), "x") == expected


def test_every_family_has_a_media_type_and_a_parser() -> None:
    assert set(PARSERS) == set(MEDIA_TYPES)


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (b"", "file_empty", "no bytes"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "file_unknown_type", "picture"),
        (b"\x1f\x8b\x08" + bytes(50), "file_unknown_type", "gzip"),
        (compound_file({"EncryptedPackage": b"x"}), "file_encrypted", "password"),
        (compound_file({"note": "WordDocument Book".encode("utf-16-le")}), "file_unknown_type", "old Office"),
        (zipped({"word/document.xml": "x"})[:40], "file_truncated", "ends before"),
        (zipped({"word/document.xml": "x"})[:20] + b"PK\x05\x06" + b"\xff" * 18, "file_damaged", "table of"),
        (ole("EncryptedPackage", "EncryptionInfo"), "file_encrypted", "password"),
        (ole("Something"), "file_unknown_type", "old Office"),
    ],
)
def test_refusals_say_what_is_wrong(tmp_path: Path, data: bytes, code: str, words: str) -> None:
    failure = refusal(tmp_path, data)
    assert failure.code == code
    assert words in failure.cause
    assert failure.next_step.endswith(".")
