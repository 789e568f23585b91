"""Every file of the shared collection: chunks with exact offsets, or an error with a stable code."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ingest.chunk import chunk
from ingest.errors import IngestError
from ingest.failures import NEXT_STEPS
from ingest.ocr import find_recogniser
from ingest.parse import parse
from ingest.report import quality_report
from ingest.types import ParsedDocument, ParseLimits, Stage

pytestmark = pytest.mark.shared

Outcome = ParsedDocument | IngestError
MAX_TOKENS = 200

ERRORS = {
    "file_encrypted": [
        *("2206.01062_pg3.pdf", "aes-128.pdf", "aes-256.pdf", "rc4-40.pdf"),
        "libreoffice-writer-password.pdf",
    ],
    "file_empty": ["made/empty.pdf", "made/empty.txt"],
    "file_truncated": ["made/truncated.docx"],
    "file_damaged": [
        *("made/entities_xxe.docx", "made/no_document_xml.docx", "made/xml_cut.docx"),
        *("made/no_container.epub", "unreadablemetadata.pdf"),
    ],
    "file_unknown_type": ["made/not_a_pdf_png.pdf", "random.bin"],
    "archive_unsafe": ["made/path_traversal.zip"],
    "archive_bomb": ["made/expands_to_102MB.docx"],
    "no_text": [
        *("MEDRPT-2024-PAT-3847_medical_report_scan.pdf", "empty.pdf", "encrypted_doc_no_id.pdf"),
        *("file_image.pdf", "made/bitrot_300_bytes.pdf", "ocr_test.pdf", "ocr_test_rotated_90.pdf"),
        *("pdf-with-jbig2.pdf", "sample_with_rotation_mismatch.pdf"),
    ],
}
GERMAN = "Der Größenvergleich: Straße, Übung, café – „Anführung“.\nDie Antwort lautet 42."
EXACT = {
    "made/cp1252.txt": GERMAN,
    "made/utf16le_bom.txt": GERMAN,
    "made/utf16be_no_bom.txt": GERMAN,
    "made/koi8r.txt": "Столица России ? Москва. Встреча в четверг в 14:00.",
    "made/shift_jis.txt": "東京は日本の首都です。人口は約1400万人。",
    "made/mixed_encodings.txt": "Größe\nStraße\nÿþú",
    "made/nul_bytes.txt": "\n".join(["The code is  A17.red"] * 50),
    "made/utf8_bom.csv": "Name: Åsa | Größe: 1,75",
    "made/deep_nesting.html": "The answer is 42.",
    "made/hidden_instructions.html": "Our office opens at 9:00.\n\nWe close at 17:30.",
    "made/name with spaces & ümlaut 文件.txt": "The file name has spaces, an umlaut and Chinese characters.",
}
CONTAINS = {
    "multicolumn.pdf": "consectetuer adipiscing elit",  # hyphenated at the line end
    "right_to_left_01.pdf": "تحسين الإنتاجية وحل المشكلات من خلال البرمجة بلغة R",
    "issue-625-identity-cmap.pdf": "Do zapłaty 148,83 PLN",
    "jo.pdf": "みんなのおのおののなかのすべてですから",
    "textbox.docx": "A report must be submitted within 24 hours",
    "powerpoint_sample.pptx": "Some info:\nItem A",
    "test.xlsx": "Alpha: 89 | Beta: 82 | Gamma: 100 | Delta: 12",
    "xlsx_02_sample_sales_data.xlsm": "Product: Widget A | Date: 2024-01-01",
    "test_mskanji.csv": "名前: 髙橋淳 | 年齢: 35 | 住所: 名古屋",
    "file_no_utf8.html": "Hamdan bin Mohammed bin Rashid Al Maktoum",
    "p7s.p7s": "Hello World",
    "rst.rst": "Thing: Honey Badgers | Awesomeness: 10.5",
    "made/not_a_pdf_html.pdf": "404 Not Found",
    "made/combining_and_zero_width.txt": "Zo\u0308e\u200b said: e\u0301 = é, ﬁnance",
    "lyft_2021.pdf": "Lyft, Inc.",
    "made/truncated_tail.pdf": "The journey of the word processor",
}
MEDIA_TYPES = {
    "made/docx_named.pdf": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "made/not_a_pdf_html.pdf": "text/html",
    "p7s.p7s": "message/rfc822",
    "pone.0234687.nxml": "application/x-jats+xml",
}
PAGE_STARTS = [
    "The Evolution of the Word Processor",
    "Other notable software from this era",
    "Specialized Word Processing Tools",
    "• Accessibility: Writers no longer",
    "The journey of the word processor",
]


def ignore(stage: Stage, done: int, total: int) -> None:
    pass


def token_spans(text: str) -> list[tuple[int, int]]:
    return [found.span() for found in re.finditer(r"\w{1,6}|[^\w\s]", text)]


def outcome(path: Path) -> Outcome:
    try:
        return parse(path, path.name, ParseLimits(ocr_languages="off"), ignore)
    except IngestError as error:
        return error


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest) -> dict[str, Outcome]:
    """Name to outcome; two at a time, since each parse is a process of its own."""
    root = request.getfixturevalue("shared_data") / "files"
    paths = sorted(path for path in root.rglob("*") if path.is_file() and path.name != "MANIFEST.tsv")
    with ThreadPoolExecutor(max_workers=2) as pool:
        return {
            str(path.relative_to(root)): read
            for path, read in zip(paths, pool.map(outcome, paths), strict=True)
        }


def parsed(outcomes: dict[str, Outcome], name: str) -> ParsedDocument:
    found = outcomes[name]
    assert isinstance(found, ParsedDocument), f"{name}: {found}"
    return found


def test_each_file_gives_exact_chunks_or_a_stable_code(outcomes: dict[str, Outcome]) -> None:
    assert len(outcomes) >= 116
    for name, found in outcomes.items():
        if isinstance(found, IngestError):
            assert found.code in NEXT_STEPS, name
            assert found.cause.endswith("."), name
            assert found.next_step.endswith("."), name
        else:
            check_document(name, found)


def check_document(name: str, document: ParsedDocument) -> None:
    chunks = chunk(document, token_spans, MAX_TOKENS)
    assert chunks, name
    end = 0
    for draft in chunks:
        assert draft.text == document.text[draft.start : draft.end], name
        assert draft.tokens <= MAX_TOKENS, name
        assert not document.text[end : draft.start].strip(), name
        assert draft.page_first == draft.page_last, name
        end = draft.end
    assert not document.text[end:].strip(), name
    assert not set("\0\r") & set(document.text), name
    edges = [0, *(page.end for page in document.pages)]
    assert [page.start for page in document.pages] == edges[:-1], name
    assert edges[-1] == len(document.text), name
    for page in document.pages:
        assert page.boxes is None or page.boxes.shape == (page.end - page.start, 4), name
    assert quality_report(document).pages == len(document.pages), name


def test_failures_are_these_and_no_others(outcomes: dict[str, Outcome]) -> None:
    found: dict[str, list[str]] = {}
    for name, result in outcomes.items():
        if isinstance(result, IngestError):
            found.setdefault(result.code, []).append(name)
    assert {code: sorted(names) for code, names in found.items()} == {
        code: sorted(names) for code, names in ERRORS.items()
    }


PASSWORDS = {
    "2206.01062_pg3.pdf": ("1234", "DocLayNet"),
    "aes-128.pdf": ("foo", "Secret"),
    "aes-256.pdf": ("foo", "Secret"),
    "rc4-40.pdf": ("foo", "Secret"),
    "libreoffice-writer-password.pdf": ("openpassword", "Lorem ipsum"),
}


@pytest.mark.parametrize("name", PASSWORDS)
def test_encrypted_files_open_with_their_password(shared_data: Path, name: str) -> None:
    password, words = PASSWORDS[name]
    path = shared_data / "files" / name
    assert words in parse(path, name, ParseLimits(), ignore, password).text
    with pytest.raises(IngestError) as caught:
        parse(path, name, ParseLimits(), ignore, password + "x")
    assert (caught.value.code, caught.value.permanent) == ("password_wrong", True)


SCANS = {
    "ocr_test.pdf": "Docling bundles PDF document conversion",
    "ocr_test_rotated_90.pdf": "Docling bundles PDF document conversion",
    "sample_with_rotation_mismatch.pdf": "THE SLEREXE COMPANY LIMITED",
    "file_image.pdf": "This is an example of an",
    "MEDRPT-2024-PAT-3847_medical_report_scan.pdf": "SEATTLE GENERAL HOSPITAL",
}


@pytest.mark.slow
@pytest.mark.skipif(find_recogniser("eng") is None, reason="Tesseract with English is not installed")
@pytest.mark.parametrize("name", SCANS)
def test_scans_are_read_where_tesseract_is_installed(shared_data: Path, name: str) -> None:
    found = parse(shared_data / "files" / name, name, ParseLimits(ocr_languages="eng"), ignore)
    assert SCANS[name] in " ".join(found.text.split())
    assert found.recognised_pages == tuple(range(1, len(found.pages) + 1))


@pytest.mark.parametrize("name", EXACT)
def test_text_is_exact(outcomes: dict[str, Outcome], name: str) -> None:
    assert parsed(outcomes, name).text == EXACT[name]


@pytest.mark.parametrize("name", CONTAINS)
def test_text_holds_what_a_reader_sees(outcomes: dict[str, Outcome], name: str) -> None:
    assert CONTAINS[name] in parsed(outcomes, name).text


@pytest.mark.parametrize("name", MEDIA_TYPES)
def test_content_wins_over_the_name(outcomes: dict[str, Outcome], name: str) -> None:
    assert parsed(outcomes, name).media_type == MEDIA_TYPES[name]


@pytest.mark.parametrize("name", ["multi_page.pdf", "made/junk_before_header.pdf", "made/truncated_tail.pdf"])
def test_page_numbers_are_right(outcomes: dict[str, Outcome], name: str) -> None:
    document = parsed(outcomes, name)
    for page, start in zip(document.pages, PAGE_STARTS, strict=True):
        assert document.text.startswith(start, page.start)


def test_printed_labels_are_kept_beside_the_numbers(outcomes: dict[str, Outcome]) -> None:
    assert [page.label for page in parsed(outcomes, "pagelabels.pdf").pages] == ["iii", "iv", "1", "2", "1"]


def test_a_long_report_is_whole(outcomes: dict[str, Outcome]) -> None:
    document = parsed(outcomes, "lyft_2021.pdf")
    assert len(document.pages) == 238
    assert len(document.text) > 800_000
    assert len(parsed(outcomes, "GeoTopo-komprimiert.pdf").headings) == 35


def test_turned_pages_keep_their_boxes(outcomes: dict[str, Outcome]) -> None:
    for page in parsed(outcomes, "habibi-rotated.pdf").pages:
        assert page.boxes is not None
