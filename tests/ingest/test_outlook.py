"""Outlook messages: attached files and messages inside messages, as deep as files may be nested."""

from __future__ import annotations

import random
import struct
from datetime import UTC, datetime
from pathlib import Path

import olefile
import pytest

from ingest.compound import Storage, compound_file
from ingest.failures import ParseFailure
from ingest.source import Budget
from tests.ingest.conftest import ParseBytes
from tests.ingest.samples import ole, outlook, pdf, zipped


def test_a_message_inside_a_message_is_read_with_what_is_attached_to_it(parse_bytes: ParseBytes) -> None:
    inner = outlook("Budget", "Please see the plan.", {"plan.csv": b"team,euro\nNorth,400\n"})
    outer = outlook("Fwd: Budget", "For you.", {"Budget": inner, "report.pdf": pdf(["First page"])})
    parsed = parse_bytes(compound_file(outer), "a.msg")
    assert parsed.title == "Fwd: Budget"
    assert [page.label for page in parsed.pages] == [None, "Budget 1", "Budget plan.csv", "report.pdf 1"]
    texts = [parsed.text[page.start : page.end] for page in parsed.pages]
    assert "For you." in texts[0]
    assert "Attachments: Budget, report.pdf" in texts[0]
    assert "Please see the plan." in texts[1]
    assert "team: North | euro: 400" in texts[2]
    assert "First page" in texts[3]
    assert parsed.warnings == ()


def test_an_attached_message_without_a_name_has_its_subject(parse_bytes: ParseBytes) -> None:
    parsed = parse_bytes(compound_file(outlook("Outer", "One.", {"": outlook("Inner", "Two.")})), "a.msg")
    assert parsed.pages[1].label == "Inner"


def test_an_attached_message_keeps_the_date_it_was_sent(parse_bytes: ParseBytes) -> None:
    """Its properties have a shorter header than those of a message that is a file."""
    ticks = int(
        (datetime(2026, 5, 20, 10, 30, tzinfo=UTC) - datetime(1601, 1, 1, tzinfo=UTC)).total_seconds()
    )
    sent = struct.pack("<IIQ", 0x00390040, 6, ticks * 10_000_000)
    inner = outlook("Inner", "Two.")
    outer = dict(outlook("Outer", "One.", {"Inner": inner}))
    folder = outer["__attach_version1.0_#00000000"]
    assert not isinstance(folder, bytes)
    message = {**inner, "__properties_version1.0": bytes(24) + sent}
    outer["__attach_version1.0_#00000000"] = {**folder, "__substg1.0_3701000D": message}
    parsed = parse_bytes(compound_file(outer), "a.msg")
    assert "2026-05-20T10:30:00" in parsed.text[parsed.pages[1].start :]


def nested(levels: int) -> Storage:
    message = outlook(f"Level {levels}", f"Text of level {levels}.")
    for level in reversed(range(levels)):
        message = outlook(f"Level {level}", f"Text of level {level}.", {f"Level {level + 1}": message})
    return message


def test_what_lies_too_deep_is_named_and_the_rest_is_read(parse_bytes: ParseBytes) -> None:
    parsed = parse_bytes(compound_file(nested(5)), "a.msg")
    assert [f"Text of level {level}." in parsed.text for level in range(6)] == [True] * 4 + [False] * 2
    assert parsed.warnings == (
        "Level 1: Level 2: Level 3: Level 4 was not read: Files are nested more than 3 levels deep.",
    )


def test_a_line_of_the_body_about_attachments_is_kept_with_all_below(parse_bytes: ParseBytes) -> None:
    body = "Attachments: the contract, see below.\r\n\r\nAttachments:\r\n\r\nThe notice period is 3 months."
    attached = {"contract.txt": b"Signed in May.", "rates.txt": b"Three in a hundred."}
    parsed = parse_bytes(compound_file(outlook("Terms", body, attached)), "a.msg")
    first = parsed.text[: parsed.pages[0].end]
    assert "Attachments: the contract, see below." in first
    assert first.rstrip().endswith("The notice period is 3 months.\n\nAttachments: contract.txt, rates.txt")


def test_an_attachment_that_cannot_be_read_is_named(parse_bytes: ParseBytes) -> None:
    attached: dict[str, bytes | Storage] = {
        "link": b"",
        "object": {"Unknown": b"?"},
        "a.txt": b"Open at nine.",
    }
    parsed = parse_bytes(compound_file(outlook("Files", "Here.", attached)), "a.msg")
    assert "Open at nine." in parsed.text
    assert [warning.split(" was not read")[0] for warning in parsed.warnings] == ["link", "object"]


def test_a_bomb_inside_a_message_refuses_it(parse_bytes: ParseBytes) -> None:
    attached = outlook("Inner", "Two.", {"bad.zip": zipped({"../up.txt": "x"})})
    with pytest.raises(ParseFailure) as caught:
        parse_bytes(compound_file(outlook("Outer", "One.", {"Inner": attached})), "a.msg")
    assert caught.value.code == "archive_unsafe"


def test_a_broken_container_is_damaged(parse_bytes: ParseBytes) -> None:
    with pytest.raises(ParseFailure) as caught:
        parse_bytes(ole("__properties_version1.0"), "a.msg")
    assert caught.value.code == "file_damaged"


def test_the_files_inside_are_counted() -> None:
    budget = Budget(1000, files=2)
    budget.take(1)
    budget.take(1)
    with pytest.raises(ParseFailure) as caught:
        budget.take(1)
    assert caught.value.code == "archive_bomb"


def held(container: olefile.OleFileIO, path: tuple[str, ...] = ()) -> dict[str, object]:
    found: dict[str, object] = {}
    for entry in container.listdir(streams=True, storages=True):
        place = found
        for name in entry[:-1]:
            place = place[name]  # type: ignore[assignment]
        is_stream = container.get_type(entry) == olefile.STGTY_STREAM
        place[entry[-1]] = container.openstream(entry).read() if is_stream else {}
    return found


def test_another_library_reads_the_container_that_was_written() -> None:
    chance = random.Random(5)
    sizes = {
        f"stream {size}": chance.randbytes(size) for size in (0, 1, 63, 64, 65, 4095, 4096, 4097, 9_000_000)
    }
    tree = {"deep": {"deeper": sizes, "empty": {}}, **{f"n{number}": b"x" for number in range(100)}}
    with olefile.OleFileIO(compound_file(tree), raise_defects=olefile.DEFECT_POTENTIAL) as container:
        assert held(container) == tree


def test_a_container_beyond_its_table_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.compound._IN_HEADER", 1)  # a sector describes 4 MB, all of them 446
    with pytest.raises(ValueError, match="not written"):
        compound_file({"a": bytes(5_000_000)})


@pytest.mark.shared
def test_a_real_message_reads_the_same_inside_another(parse_bytes: ParseBytes, shared_data: Path) -> None:
    data = (shared_data / "files" / "msg_with_attachment.msg").read_bytes()
    with olefile.OleFileIO(data) as container:
        message = held(container)
    properties = message["__properties_version1.0"]
    assert isinstance(properties, bytes)
    inner = {**message, "__properties_version1.0": properties[:24] + properties[32:]}
    folder = {"__properties_version1.0": bytes(8), "__substg1.0_3701000D": inner}
    outer = {**outlook("Fwd", "See below."), "__attach_version1.0_#00000000": folder}
    parsed = parse_bytes(compound_file(outer), "a.msg")
    alone = parse_bytes(data, "b.msg")
    for line in filter(None, alone.text.split("\n")):
        assert line in parsed.text
