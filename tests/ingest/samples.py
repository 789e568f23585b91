"""Files made in memory for the tests."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping, Sequence

from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

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


def ole(*streams: str) -> bytes:
    """The start of an old Office container that names these streams."""
    names = b"".join(stream.encode("utf-16-le").ljust(64, b"\0") for stream in streams)
    return bytes.fromhex("d0cf11e0a1b11ae1") + bytes(504) + names
