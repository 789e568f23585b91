"""Files made in memory for the tests."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping, Sequence

from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from ingest.compound import Storage

Draw = Callable[[Canvas], None]


def pdf(*pages: Sequence[str] | Draw, password: str | None = None) -> bytes:
    """A PDF; a page is its lines from the top, or a function that draws it."""
    stream = io.BytesIO()
    canvas = Canvas(stream, pagesize=A4, encrypt=password, invariant=1)
    for page in pages:
        if callable(page):
            page(canvas)
        else:
            for row, line in enumerate(page):
                canvas.drawString(72, 770 - 14 * row, line)
        canvas.showPage()
    canvas.save()
    return stream.getvalue()


def zipped(members: Mapping[str, bytes | str]) -> bytes:
    """A zip file."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as container:
        for name, content in members.items():
            container.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def stored(members: Mapping[str, bytes | str]) -> bytes:
    """A zip file that packs nothing: its members' bytes stand in it as they are."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as container:
        for name, content in members.items():
            container.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_STORED)
    return stream.getvalue()


def outlook(subject: str, body: str, attached: Mapping[str, bytes | Storage] = {}) -> Storage:
    """What an Outlook message holds; an attachment is a file's bytes or a message."""
    message: dict[str, bytes | Storage] = {
        "__properties_version1.0": bytes(32),
        "__substg1.0_001A001F": "IPM.Note".encode("utf-16-le"),
        "__substg1.0_0037001F": subject.encode("utf-16-le"),
        "__substg1.0_1000001F": body.encode("utf-16-le"),
    }
    for number, (name, content) in enumerate(attached.items()):
        folder: dict[str, bytes | Storage] = {
            "__properties_version1.0": bytes(8),
            "__substg1.0_3001001F": name.encode("utf-16-le"),
        }
        if isinstance(content, bytes):
            folder["__substg1.0_37010102"] = content
        else:  # inside another a message has a shorter header
            folder["__substg1.0_3701000D"] = {**content, "__properties_version1.0": bytes(24)}
        message[f"__attach_version1.0_#{number:08X}"] = folder
    return message


def ole(*streams: str) -> bytes:
    """The start of an old Office container that names these streams, and whose directory cannot be read."""
    names = b"".join(stream.encode("utf-16-le").ljust(64, b"\0") for stream in streams)
    return bytes.fromhex("d0cf11e0a1b11ae1") + bytes(504) + names
