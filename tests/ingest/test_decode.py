"""Bytes to text: each encoding exactly, and honest refusals."""

from __future__ import annotations

import pytest

from ingest.decode import decode
from ingest.failures import ParseFailure

GERMAN = "Der Größenvergleich: Straße, Übung, café – „Anführung“.\nDie Antwort lautet 42.\n"
RUSSIAN = "Столица России – Москва. Встреча в четверг в 14:00.\n"
JAPANESE = "東京は日本の首都です。人口は約1400万人。\n"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (GERMAN, "utf-8"),
        (GERMAN, "utf-8-sig"),
        (GERMAN, "utf-16"),
        (GERMAN, "utf-16-le"),
        (GERMAN, "utf-16-be"),
        (GERMAN, "utf-32"),
        (GERMAN, "cp1252"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN.replace("–", "-"), "koi8-r"),
        (JAPANESE, "shift_jis"),
        ("人人生而自由，在尊严和权利上一律平等。\n", "gb18030"),
        ("El niño comió mañana en España, según el señor Muñoz.\n", "cp1252"),
        ("Zażółć gęślą jaźń. Wszyscy ludzie rodzą się wolni.\n", "cp1250"),
    ],
)
def test_text_comes_back_exactly(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)).text == text


def test_a_declared_charset_is_believed_when_it_fits() -> None:
    page = '<html><head><meta charset="iso-8859-2"></head><body>Żółć łódź</body></html>'
    decoded = decode(page.encode("iso-8859-2"))
    assert (decoded.text, decoded.encoding) == (page, "iso-8859-2")


def test_an_unknown_declared_charset_is_not_fatal() -> None:
    assert "Straße" in decode('<meta charset="no-such"><p>Straße, Übung</p>'.encode("cp1252")).text


def test_lines_of_two_encodings_are_read_each_on_its_own() -> None:
    decoded = decode("Größe\n".encode() + "Straße\n".encode("cp1252"))
    assert decoded.text == "Größe\nStraße\n"
    assert decoded.warnings == ("Lines 2 are not UTF-8 like the rest; they were read as cp1252.",)


def test_a_guess_is_told() -> None:
    assert decode(RUSSIAN.encode("cp1251")).warnings == ("The encoding was guessed: cp1251.",)


def test_a_broken_marked_file_counts_what_was_lost() -> None:
    decoded = decode(b"\xff\xfea\x00\x00\xd8")
    assert decoded.text == "a\ufffd"
    assert decoded.warnings == ("1 characters could not be decoded.",)


def test_binary_bytes_are_refused() -> None:
    with pytest.raises(ParseFailure) as caught:
        decode(bytes(range(256)) * 8)
    assert caught.value.code == "file_unknown_type"
