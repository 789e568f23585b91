"""Outlook mail (.msg): the message through the office library, its attachments through their own parsers.

A .msg is an OLE compound file. Each attachment is a storage with streams named after MAPI properties
(MS-OXMSG 2.2.2, MS-OXPROPS): 3701 the bytes, 3707 and 3704 the long and the short name.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Final

import olefile

from ingest.builder import DocumentBuilder
from ingest.failures import ParseFailure
from ingest.parsers.markdown import add_markdown
from ingest.parsers.office import extract
from ingest.parts import Part, add_parts
from ingest.source import Source
from ingest.types import ParsedDocument

_ATTACHMENT: Final = "__attach_version1.0_"
_DATA: Final = "__substg1.0_37010102"
_NAMES: Final = (  # long name, then short; Unicode, then the sender's code page
    ("__substg1.0_3707001F", "utf-16-le"),
    ("__substg1.0_3707001E", "cp1252"),
    ("__substg1.0_3704001F", "utf-16-le"),
    ("__substg1.0_3704001E", "cp1252"),
)
_LIBRARY_LIST = re.compile(r"^Attachments:\s.*\Z", re.M | re.S)


def parse_outlook(source: Source) -> ParsedDocument:
    """A message with its attachments behind it. Raises ParseFailure `file_damaged`."""
    data = source.path.read_bytes()
    parts, unreadable = _attachments(data)
    extracted = extract(source, data)
    builder = DocumentBuilder(source.limits.text_chars)
    names = [part.name for part in parts] + unreadable
    add_markdown(_LIBRARY_LIST.sub("", extracted.content) if names else extracted.content, builder)
    if names:
        builder.paragraph("Attachments: " + ", ".join(names))
    warnings = [f"{name} was not read: it is a message inside the message." for name in unreadable]
    warnings += add_parts(source, parts, builder)
    title = extracted.metadata.title or extracted.metadata.subject
    return builder.build(source.media_type, paged=bool(parts), title=title, warnings=warnings)


def _attachments(data: bytes) -> tuple[list[Part], list[str]]:
    """Attached files, and the names of attached messages, which have no bytes of their own."""
    parts, unreadable = [], []
    try:
        with olefile.OleFileIO(data) as container:
            for folder in _folders(container):
                name = _name(container, folder)
                if container.exists(f"{folder}/{_DATA}"):
                    content = container.openstream(f"{folder}/{_DATA}").read()
                    parts.append(Part(name, partial(bytes, content)))
                else:
                    unreadable.append(name)
    except (OSError, ValueError, IndexError, TypeError, RecursionError) as error:  # what it raises on damage
        raise ParseFailure("file_damaged", f"The message cannot be taken apart: {error}.") from error
    return parts, unreadable


def _folders(container: olefile.OleFileIO) -> list[str]:
    names = {entry[0] for entry in container.listdir(streams=True, storages=True)}
    return sorted(name for name in names if name.startswith(_ATTACHMENT))


def _name(container: olefile.OleFileIO, folder: str) -> str:
    for stream, encoding in _NAMES:
        if container.exists(f"{folder}/{stream}"):
            data = container.openstream(f"{folder}/{stream}").read()
            if name := str(data, encoding, "replace").strip("\0 "):
                return name
    return "attachment"
