"""Outlook mail (.msg): the message through the office library, its attachments through their own parsers.

A .msg is an OLE compound file. Each attachment is a storage with streams named after MAPI properties
(MS-OXMSG 2.2.2, MS-OXPROPS): 3701 the bytes or the message, 3707 and 3704 the long and the short name,
3001 the name that is shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import olefile

from ingest.builder import DocumentBuilder
from ingest.compound import UNREADABLE, Storage, compound_file
from ingest.failures import ParseFailure
from ingest.parsers.markdown import add_markdown
from ingest.parsers.office import extract
from ingest.parts import Part, add_parts
from ingest.source import Source
from ingest.types import ParsedDocument

_ATTACHMENT: Final = "__attach_version1.0_"
_DATA: Final = "__substg1.0_37010102"
_MESSAGE: Final = "__substg1.0_3701000D"
_PROPERTIES: Final = "__properties_version1.0"
_NAMES: Final = (  # long name, short, shown, subject of the message; Unicode, then the sender's code page
    "__substg1.0_3707",
    "__substg1.0_3704",
    "__substg1.0_3001",
    f"{_MESSAGE}/__substg1.0_0037",
)
_ENCODINGS: Final = {"001F": "utf-16-le", "001E": "cp1252"}
_INNER_HEADER_BYTES: Final = 24  # of the properties of a message inside another (MS-OXMSG 2.4.1)
_LIBRARY_LIST = re.compile(r"^Attachments:(?:\n+[^\n]*\(\d+B\))+\s*\Z", re.M)  # names and sizes, at the end


def parse_outlook(source: Source) -> ParsedDocument:
    """A message with its attachments behind it, attached messages too. Raises ParseFailure `file_damaged`."""
    data = source.path.read_bytes()
    extracted = extract(source, data)
    builder = DocumentBuilder(source.limits.text_chars)
    with _damage_named():
        container = olefile.OleFileIO(data)  # over bytes: there is nothing to close
        parts = [_part(container, folder) for folder in _folders(container)]
    add_markdown(_LIBRARY_LIST.sub("", extracted.content) if parts else extracted.content, builder)
    if parts:
        builder.paragraph("Attachments: " + ", ".join(part.name for part in parts))
    warnings = add_parts(source, parts, builder)
    title = extracted.metadata.title or extracted.metadata.subject
    return builder.build(source.media_type, paged=bool(parts), title=title, warnings=warnings)


@contextmanager
def _damage_named() -> Iterator[None]:
    try:
        yield
    except UNREADABLE as error:
        raise ParseFailure("file_damaged", f"The message cannot be taken apart: {error}.") from error


def _folders(container: Any) -> list[str]:
    names = {entry[0] for entry in container.listdir(streams=True, storages=True)}
    return sorted(name for name in names if name.startswith(_ATTACHMENT))


def _part(container: Any, folder: str) -> Part:
    """An attached file or message; a link to a file elsewhere has no bytes and is named as unread."""
    read = _message if container.exists(f"{folder}/{_MESSAGE}") else _file
    return Part(_name(container, folder), partial(read, container, folder))


def _file(container: Any, folder: str) -> bytes:
    if not container.exists(f"{folder}/{_DATA}"):
        return b""
    with _damage_named():
        return bytes(container.openstream(f"{folder}/{_DATA}").read())


def _message(container: Any, folder: str) -> bytes:
    """The attached message as a .msg of its own; the header of its properties is 8 bytes longer then."""
    with _damage_named():
        message = {**_storage(container, [folder, _MESSAGE])}
        properties = message.get(_PROPERTIES)
        if isinstance(properties, bytes):
            head, rest = properties[:_INNER_HEADER_BYTES], properties[_INNER_HEADER_BYTES:]
            message[_PROPERTIES] = head + bytes(8) + rest
        return compound_file(message)


def _storage(container: Any, path: list[str]) -> Storage:
    """What the storage at `path` holds, copied."""
    entry = container.root
    for name in path:
        entry = entry.kids_dict[name.lower()]
    return {
        child.name: bytes(container.openstream([*path, child.name]).read())
        if child.entry_type == olefile.STGTY_STREAM
        else _storage(container, [*path, child.name])
        for child in entry.kids
    }


def _name(container: Any, folder: str) -> str:
    for stream in _NAMES:
        for kind, encoding in _ENCODINGS.items():
            path = f"{folder}/{stream}{kind}"
            if container.exists(path):
                text = str(container.openstream(path).read(), encoding, "replace")
                if name := " ".join(text.replace("\0", " ").split()):
                    return name
    return "attachment"
