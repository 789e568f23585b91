"""Zip archives of documents: every readable member, in order of name, each with its own pages."""

from __future__ import annotations

import stat
import zipfile
import zlib
from functools import partial
from pathlib import PurePosixPath
from typing import Final

from ingest.builder import DocumentBuilder
from ingest.failures import ParseFailure
from ingest.parts import Part, add_parts
from ingest.source import Source
from ingest.types import ParsedDocument

_LITTER: Final = frozenset(
    {".ds_store", "thumbs.db", "desktop.ini"}
)  # written by file managers, not by people


def parse_archive(source: Source) -> ParsedDocument:
    """The members below headings with their names; those that cannot be read are named in warnings.

    Raises ParseFailure `archive_unsafe` for names that point outside, `archive_bomb`, or `no_text` when no
    member could be read.
    """
    builder = DocumentBuilder(source.limits.text_chars)
    with zipfile.ZipFile(source.path) as container:
        members = _documents(container)
        parts = [Part(member.filename, partial(_read, container, member)) for member in members]
        warnings = add_parts(source, parts, builder)
    parsed = builder.build(source.media_type, paged=True, warnings=warnings)
    if not parsed.text.strip():
        raise ParseFailure(
            "no_text",
            f"None of the {len(members)} files in the archive could be read. {' '.join(warnings[:1])}",
        )
    return parsed


def _documents(container: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    for member in container.infolist():
        _refuse_outside(member.filename)
    wanted = [member for member in container.infolist() if not member.is_dir() and not _is_litter(member)]
    return sorted(wanted, key=lambda member: member.filename)


def _refuse_outside(name: str) -> None:
    """A drive letter, an absolute path or `..` is how an archive breaks out."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or name[1:2] == ":":
        raise ParseFailure("archive_unsafe", f"The archive holds a file named {name!r}, outside of itself.")


def _is_litter(member: zipfile.ZipInfo) -> bool:
    path = PurePosixPath(member.filename)
    is_link = stat.S_ISLNK(member.external_attr >> 16)
    return is_link or path.name.lower() in _LITTER or "__MACOSX" in path.parts


def _read(container: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """The member's bytes, never more than its directory entry promised to the limits."""
    try:
        with container.open(member) as stream:
            return stream.read(member.file_size)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, RuntimeError) as error:
        raise ParseFailure("file_damaged", f"Its bytes in the archive are broken: {error}.") from error
