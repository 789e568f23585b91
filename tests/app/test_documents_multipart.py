"""Streaming multipart: bounded, complete, one part's refusal does not touch the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.documents.blobs import BlobStore
from app.documents.multipart import MultipartReceiver
from app.errors import InvalidRequest

TYPE = "multipart/form-data; boundary=XX"


def part(name: str, data: bytes, file_name: str | None = None) -> bytes:
    file = "" if file_name is None else f'; filename="{file_name}"'
    return f'--XX\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + data + b"\r\n"


def receiver(tmp_path: Path, max_bytes: int = 100, max_files: int = 3) -> MultipartReceiver:
    return MultipartReceiver(TYPE, BlobStore(tmp_path), max_bytes=max_bytes, max_files=max_files)


def left_over(tmp_path: Path) -> list[Path]:
    return [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("content_type", ["", "application/json", "multipart/form-data"])
def test_other_content_types_are_refused(tmp_path: Path, content_type: str) -> None:
    with pytest.raises(InvalidRequest, match="could not be read"):
        MultipartReceiver(content_type, BlobStore(tmp_path), max_bytes=1, max_files=1)


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_pieces_of_any_size_give_the_same_files(tmp_path: Path, size: int) -> None:
    body = (
        part("files", b"first\r\n--XY", "a.txt") + part("collection_id", b"7") + part("files", b"", "b.txt")
    )
    body += b"--XX--\r\n"
    received = receiver(tmp_path)
    for start in range(0, len(body), size):
        received.write(body[start : start + size])
    received.finish()
    assert received.fields == {"collection_id": "7"}
    stored = [(f.file_name, f.staged.path.read_bytes() if f.staged else None) for f in received.files]
    assert stored == [("a.txt", b"first\r\n--XY"), ("b.txt", b"")]


def test_a_part_over_the_limit_is_dropped_and_the_next_one_kept(tmp_path: Path) -> None:
    received = receiver(tmp_path, max_bytes=5)
    received.write(part("files", b"too large", "a.txt") + part("files", b"fits", "b.txt") + b"--XX--\r\n")
    received.finish()
    assert [(f.file_name, f.error and f.error.code) for f in received.files] == [
        ("a.txt", "file_too_large"),
        ("b.txt", None),
    ]
    assert [path.read_bytes() for path in left_over(tmp_path)] == [b"fits"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (part("file", b"x", "a.txt"), "Unknown form field 'file'"),
        (part("tag", b"x"), "Unknown form field 'tag'"),
        (part("collection_id", b"1" * 2000), "too long"),
        (b"".join(part("files", b"x", f"{n}.txt") for n in range(4)), "At most 3 files"),
        (b"not multipart", "could not be read"),
    ],
)
def test_a_wrong_form_is_refused_as_a_whole(tmp_path: Path, body: bytes, message: str) -> None:
    received = receiver(tmp_path)
    with pytest.raises(InvalidRequest, match=message):
        received.write(body)
    received.discard()
    assert left_over(tmp_path) == []


def test_a_body_that_ends_early_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    received = receiver(tmp_path)
    received.write(part("files", b"whole", "a.txt") + part("files", b"cut", "b.txt")[:-4])
    with pytest.raises(InvalidRequest, match="closing boundary"):
        received.finish()
    received.discard()
    assert left_over(tmp_path) == []


def test_an_upload_without_files_is_refused(tmp_path: Path) -> None:
    received = receiver(tmp_path)
    received.write(part("collection_id", b"1") + b"--XX--\r\n")
    with pytest.raises(InvalidRequest, match="no file"):
        received.finish()
