"""Pages on their way to the parent while the child still reads the rest of the file.

They are an early copy for working ahead; the truth is the document that the parser returns at its end. So a
parser may hand over what it has, and still change it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ingest.types import Heading, Page, ParsedDocument

PAGES_A_BATCH: Final = 8  # about one batch of the encoder


class EarlyPages:
    """The child's side: writes pages in batches to `folder`, and says on the pipe how far it is."""

    def __init__(self, folder: Path, pipe_fd: int) -> None:
        self._folder = folder
        self._pipe_fd = pipe_fd
        self._batches = 0
        self._pages: list[tuple[str, Sequence[Heading], Sequence[tuple[int, int]]]] = []

    def add(
        self, text: str, headings: Sequence[Heading] = (), table_spans: Sequence[tuple[int, int]] = ()
    ) -> None:
        """The next page; offsets count from its own start."""
        self._pages.append((text, headings, table_spans))

    def report(self, done: int, total: int) -> None:
        """Pages done of all; hands over a full batch first, so that the parent finds it."""
        if len(self._pages) >= PAGES_A_BATCH:
            self._write()
        os.write(self._pipe_fd, f"{done} {total} {self._batches}\n".encode())

    def _write(self) -> None:
        content = [
            {
                "text": text,
                "headings": [[heading.level, heading.text, heading.start] for heading in headings],
                "tables": list(tables),
            }
            for text, headings, tables in self._pages
        ]
        self._batches += 1
        batch_path(self._folder, self._batches).write_text(json.dumps(content), encoding="utf-8")
        self._pages.clear()


def batch_path(folder: Path, number: int) -> Path:
    """Where batch `number`, counted from 1, is."""
    return folder / f"early-{number}.json"


def load_batch(path: Path) -> ParsedDocument:
    """A batch as a small paged document of its own."""
    text, pages, headings, tables = "", [], [], []
    for number, page in enumerate(json.loads(path.read_text(encoding="utf-8")), 1):
        start = len(text)
        text += page["text"]
        pages.append(Page(number=number, start=start, end=len(text)))
        headings += [Heading(level, title, start + at) for level, title, at in page["headings"]]
        tables += [(start + first, start + last) for first, last in page["tables"]]
    return ParsedDocument(text, tuple(pages), True, "", tuple(headings), tuple(tables))
