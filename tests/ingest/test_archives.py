"""Files inside files: archives, attachments, and what is refused about them."""

from __future__ import annotations

from email.message import EmailMessage

import pytest

from ingest.chunk import chunk
from ingest.failures import ParseFailure
from ingest.parsers.archive import parse_archive
from ingest.sniff import identify
from ingest.types import ParseLimits, TokenSpans
from tests.ingest.conftest import ParseBytes
from tests.ingest.samples import pdf, stored, zipped


def test_an_archive_is_its_documents_one_behind_the_other(
    parse_bytes: ParseBytes, token_spans: TokenSpans
) -> None:
    data = zipped(
        {
            "b/leave.md": "# Leave\n\n28 days.",
            "a/report.pdf": pdf(["First page"], ["Second page"]),
            "list.csv": "name,age\nAda,36\n",
            "__MACOSX/._list.csv": "\0\1",
            ".DS_Store": "\0",
        }
    )
    parsed = parse_bytes(data, "all.zip")
    assert [page.label for page in parsed.pages] == [
        "a/report.pdf 1",
        "a/report.pdf 2",
        "b/leave.md",
        "list.csv",
    ]
    assert [heading.text for heading in parsed.headings] == [
        "a/report.pdf",
        "b/leave.md",
        "Leave",
        "list.csv",
    ]
    assert parsed.warnings == ()
    found = {draft.text: (draft.page_first, draft.headings) for draft in chunk(parsed, token_spans, 200)}
    assert found["Second page"] == (2, ("a/report.pdf",))
    assert found["list.csv\n\nname: Ada | age: 36"] == (4, ("list.csv",))
    for heading in parsed.headings:
        assert parsed.text.startswith(heading.text, heading.start)
    for start, end in parsed.table_spans:
        assert parsed.text[start:end] == "name: Ada | age: 36"


def test_an_archive_that_packs_nothing_and_begins_with_a_pdf_is_read_whole(parse_bytes: ParseBytes) -> None:
    parsed = parse_bytes(stored({"a.pdf": pdf(["First page"]), "b.txt": "Open at nine."}), "all.zip")
    assert [page.label for page in parsed.pages] == ["a.pdf 1", "b.txt"]
    assert "Open at nine." in parsed.text


def test_a_member_that_cannot_be_read_is_named_and_the_rest_is_kept(parse_bytes: ParseBytes) -> None:
    data = zipped({"a.txt": "Open at nine.", "b.exe": "MZ" + "\0" * 50, "c.pdf": pdf(["Cut"])[:300]})
    parsed = parse_bytes(data, "all.zip")
    assert "Open at nine." in parsed.text
    assert parsed.warnings == (
        "b.exe was not read: The file is a program, not a document.",
        "c.pdf was not read: The file ends before its table of contents.",
    )


def test_a_member_with_broken_bytes_does_not_take_the_others_with_it(parse_bytes: ParseBytes) -> None:
    data = bytearray(zipped({"a.txt": "Open at nine.", "b.txt": "Closed at five, every day but Sunday."}))
    data[data.index(b"b.txt") + 8] ^= 0xFF
    parsed = parse_bytes(bytes(data), "all.zip")
    assert parsed.text.endswith("Open at nine.")
    assert parsed.warnings[0].startswith("b.txt was not read: Its bytes in the archive are broken")


@pytest.mark.parametrize(
    "name", ["../../outside.txt", "a/../../b.txt", "/etc/passwd", "C:\\boot.ini", "..\\up.txt"]
)
def test_names_that_point_outside_refuse_the_archive(parse_bytes: ParseBytes, name: str) -> None:
    with pytest.raises(ParseFailure) as caught:
        parse_bytes(zipped({"a.txt": "x", name: "y"}), "all.zip")
    assert caught.value.code == "archive_unsafe"


def test_nested_archives_are_opened_but_not_without_end(parse_bytes: ParseBytes) -> None:
    inner = zipped({"deep.txt": "The safe is behind the painting."})
    twice = zipped({"inner.zip": inner})
    assert parse_bytes(zipped({"middle.zip": twice}), "outer.zip").text.endswith("behind the painting.")
    with pytest.raises(ParseFailure, match="levels deep"):
        parse_bytes(zipped({"outermost.zip": zipped({"middle.zip": twice})}), "outer.zip")


def test_a_bomb_in_layers_is_refused(tmp_path) -> None:
    """Each layer stays below the limits; all of them together do not."""
    layer = zipped({f"{number}.txt": b"word " * 40_000 for number in range(10)})
    path = tmp_path / "bomb.zip"
    path.write_bytes(zipped({f"{number}.zip": layer for number in range(10)}))
    source = identify(path, "bomb.zip", ParseLimits(unpacked_bytes=5_000_000))
    with pytest.raises(ParseFailure) as caught:
        parse_archive(source)
    assert caught.value.code == "archive_bomb"


def test_an_archive_without_a_readable_file_has_no_text(parse_bytes: ParseBytes) -> None:
    with pytest.raises(ParseFailure) as caught:
        parse_bytes(zipped({"a.png": b"\x89PNG\r\n\x1a\n"}), "all.zip")
    assert (caught.value.code, "a.png was not read" in caught.value.cause) == ("no_text", True)


def test_a_forwarded_mail_and_a_file_attached_to_it_are_read(parse_bytes: ParseBytes) -> None:
    inner = EmailMessage()
    inner["Subject"], inner["From"] = "Budget", "ada@x.example"
    inner.set_content("Please see the plan.")
    inner.add_attachment(b"team,euro\nNorth,400\n", maintype="text", subtype="csv", filename="plan.csv")
    outer = EmailMessage()
    outer["Subject"], outer["From"] = "Fwd: Budget", "bo@x.example"
    outer.set_content("For you.")
    outer.add_attachment(inner)
    parsed = parse_bytes(outer.as_bytes(), "a.eml")
    assert "Please see the plan." in parsed.text
    assert "team: North | euro: 400" in parsed.text
    assert parsed.pages[-1].label == "message.eml plan.csv"
