"""Zip containers: limits on what they unpack to, checked from the directory before any parser runs."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Final

from ingest.failures import ParseFailure
from ingest.types import ParseLimits

MAX_MEMBERS: Final = 20_000
MAX_RATIO: Final = 150  # honest office XML packs 5 to 30 times; a bomb packs hundreds of times
RATIO_MATTERS_FROM_BYTES: Final = 20 * 1024**2  # a small file of zeros is odd, but harmless


def open_container(path: Path, limits: ParseLimits) -> list[zipfile.ZipInfo]:
    """The members of the zip file at `path`, after its limits are checked.

    Raises ParseFailure `file_truncated`, `file_damaged`, `file_encrypted` or `archive_bomb`.
    """
    try:
        with zipfile.ZipFile(path) as container:
            members = container.infolist()
    except zipfile.BadZipFile as error:
        raise _not_a_zip(path) from error
    _check_limits(members, limits)
    if any(member.flag_bits & 0x1 for member in members):
        raise ParseFailure("file_encrypted", "The file is protected with a password.")
    return members


def _not_a_zip(path: Path) -> ParseFailure:
    tail = path.read_bytes()[-66_000:]  # the end record may be followed by a comment of 64 KiB
    if b"PK\x05\x06" not in tail:
        return ParseFailure("file_truncated", "The file ends before its table of contents.")
    return ParseFailure("file_damaged", "The file's table of contents cannot be read.")


def _check_limits(members: list[zipfile.ZipInfo], limits: ParseLimits) -> None:
    if len(members) > MAX_MEMBERS:
        raise ParseFailure("archive_bomb", f"The file holds {len(members):,} parts, over {MAX_MEMBERS:,}.")
    unpacked = sum(member.file_size for member in members)
    packed = max(sum(member.compress_size for member in members), 1)
    if unpacked > limits.unpacked_bytes:
        raise ParseFailure(
            "archive_bomb",
            f"The file unpacks to {unpacked:,} bytes, over the limit of {limits.unpacked_bytes:,}.",
        )
    if unpacked > RATIO_MATTERS_FROM_BYTES and unpacked > MAX_RATIO * packed:
        raise ParseFailure(
            "archive_bomb",
            f"The file unpacks to {unpacked // packed} times its size, over {MAX_RATIO} times.",
        )


def read_member(container: zipfile.ZipFile, name: str) -> bytes:
    """The bytes of an XML member.

    Raises ParseFailure `file_damaged` when it is missing, broken, or carries a DTD: office formats forbid
    DTDs, and entities in one can read local files or expand without end.
    """
    try:
        data = container.read(name)
    except (KeyError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
        raise ParseFailure("file_damaged", f"Its part {name} is missing or broken.") from error
    if b"<!DOCTYPE" in data:
        raise ParseFailure("file_damaged", f"Its part {name} carries a DTD, which the format forbids.")
    return data
