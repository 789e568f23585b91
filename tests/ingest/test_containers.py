"""Zip limits hold before any parser runs."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from ingest import containers
from ingest.containers import open_container, read_member
from ingest.failures import ParseFailure
from ingest.types import ParseLimits
from tests.ingest.samples import zipped


def refusal(tmp_path: Path, data: bytes, limits: ParseLimits) -> ParseFailure:
    path = tmp_path / "blob"
    path.write_bytes(data)
    with pytest.raises(ParseFailure) as caught:
        open_container(path, limits)
    return caught.value


def test_total_size_is_limited(tmp_path: Path) -> None:
    failure = refusal(tmp_path, zipped({"a": "x" * 2000, "b": "y" * 2000}), ParseLimits(unpacked_bytes=3000))
    assert failure.code == "archive_bomb"
    assert "4,000" in failure.cause


def test_ratio_is_limited(tmp_path: Path) -> None:
    failure = refusal(tmp_path, zipped({"a": bytes(25 * 1024**2)}), ParseLimits())
    assert failure.code == "archive_bomb"
    assert "times its size" in failure.cause


def test_member_count_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "MAX_MEMBERS", 3)
    failure = refusal(tmp_path, zipped({str(number): "x" for number in range(4)}), ParseLimits())
    assert failure.code == "archive_bomb"


def test_encrypted_members_are_refused(tmp_path: Path) -> None:
    data = bytearray(zipped({"word/document.xml": "x"}))
    data[data.index(b"PK\x01\x02") + 8] |= 1  # the encryption flag in the directory
    assert refusal(tmp_path, bytes(data), ParseLimits()).code == "file_encrypted"


@pytest.mark.parametrize(
    "content", [None, b"<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/hostname'>]><x>&e;</x>"]
)
def test_missing_parts_and_dtds_are_damage(content: bytes | None) -> None:
    data = zipped({} if content is None else {"part.xml": content})
    with zipfile.ZipFile(io.BytesIO(data)) as container, pytest.raises(ParseFailure) as caught:
        read_member(container, "part.xml")
    assert caught.value.code == "file_damaged"
