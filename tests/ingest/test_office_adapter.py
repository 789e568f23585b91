"""What the office adapter adds to its library: slides as pages, no master texts, plain failures."""

from __future__ import annotations

import pytest

from ingest.failures import ParseFailure
from ingest.parsers.office import _failure
from tests.ingest.conftest import ParseBytes
from tests.ingest.samples import zipped

_NAMESPACES = (
    'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0" '
    'xmlns:style="urn:oasis:names:tc:opendocument:xmlns:style:1.0" '
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"'
)


def odp(*slides: str) -> bytes:
    pages = "".join(
        f'<draw:page draw:name="Slide {number}"><draw:frame><draw:text-box><text:p>{text}</text:p>'
        "</draw:text-box></draw:frame></draw:page>"
        for number, text in enumerate(slides, 1)
    )
    master = (
        '<style:master-page style:name="M"><draw:frame><draw:text-box><text:p>Click to edit</text:p>'
        "</draw:text-box></draw:frame></style:master-page>"
    )
    return zipped(
        {
            "mimetype": "application/vnd.oasis.opendocument.presentation",
            "content.xml": f"<office:document-content {_NAMESPACES}><office:body><office:presentation>{pages}"
            "</office:presentation></office:body></office:document-content>",
            "styles.xml": f"<office:document-styles {_NAMESPACES}><office:master-styles>{master}"
            "</office:master-styles></office:document-styles>",
        }
    )


def test_opendocument_slides_are_pages_without_master_texts(parse_bytes: ParseBytes) -> None:
    parsed = parse_bytes(odp("Opening hours", "Prices"), "a.odp")
    assert parsed.paged
    texts = [parsed.text[page.start : page.end] for page in parsed.pages]
    assert len(texts) == 2
    assert "Opening hours" in texts[0]
    assert "Prices" in texts[1]
    assert "Click to edit" not in parsed.text


def test_rich_text_is_read(parse_bytes: ParseBytes) -> None:
    assert parse_bytes(rb"{\rtf1\ansi Opening \b hours\b0\par Nine to five.\par}", "a.rtf").text.split("\n")[
        0
    ] == ("Opening hours")


def test_markup_in_a_legacy_encoding_is_decoded_first(parse_bytes: ParseBytes) -> None:
    source = "Größe\n=====\n\nDie Straße ist für alle da, auch am Übungstag.\n"
    parsed = parse_bytes(source.encode("cp1252"), "a.rst")
    assert "Die Straße ist für alle da" in parsed.text
    assert [heading.text for heading in parsed.headings] == ["Größe"]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("Parsing error: file is password-protected", "file_encrypted"),
        ("Security limit exceeded: Potential ZIP bomb", "archive_bomb"),
        ("Parsing error: bad header", "file_damaged"),
    ],
)
def test_the_librarys_messages_become_codes(message: str, code: str) -> None:
    assert _failure(message).code == code


def test_a_broken_book_is_damage(parse_bytes: ParseBytes) -> None:
    with pytest.raises(ParseFailure) as caught:
        parse_bytes(zipped({"mimetype": "application/epub+zip"}), "a.epub")
    assert caught.value.code == "file_damaged"
