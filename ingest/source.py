"""What a parser is given: the file, what it really is, and a way to report pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ingest.decode import Decoded
from ingest.failures import ParseFailure
from ingest.types import EarlyPage, Heading, ParseLimits

PageProgress = Callable[[int, int], None]
"""Called with (pages done, pages in all)."""


def no_early_pages(
    text: str, headings: Sequence[Heading] = (), table_spans: Sequence[tuple[int, int]] = ()
) -> None:
    """For callers that wait for the whole document."""


def no_progress(_done: int, _total: int) -> None:
    """For callers that do not watch."""


MAX_FILES: Final = 20_000  # in all containers of one file


class Budget:
    """How much the containers of one file may still unpack to, however deep they are nested."""

    def __init__(self, unpacked_bytes: int, files: int = MAX_FILES) -> None:
        self._limit = unpacked_bytes
        self.left = unpacked_bytes
        self.files_left = self._max_files = files

    def take(self, size: int) -> None:
        """Counts a file. Raises ParseFailure `archive_bomb` once more than the limits have been taken."""
        self.files_left -= 1
        if self.files_left < 0:
            raise ParseFailure("archive_bomb", f"The file holds more than {self._max_files:,} files in all.")
        self.left -= size
        if self.left < 0:
            raise ParseFailure(
                "archive_bomb", f"The files inside unpack to more than the limit of {self._limit:,} bytes."
            )


@dataclass(frozen=True, slots=True)
class Source:
    """One file on its way to its parser."""

    path: Path
    file_name: str
    family: str  # key of parsers.registry.PARSERS
    media_type: str  # what the bytes are
    decoded: Decoded | None = None  # for the families that are text
    limits: ParseLimits = field(default_factory=ParseLimits)
    on_page: PageProgress = no_progress
    early_page: EarlyPage = no_early_pages  # a page as far as it is known, before the rest is read
    depth: int = 0  # how many containers (archive, mail) this file is inside of
    budget: Budget | None = None  # shared by all files of a container
    password: str | None = field(default=None, repr=False)

    @property
    def text(self) -> str:
        """The decoded text; only families that are text have one."""
        assert self.decoded is not None, self.family
        return self.decoded.text

    @property
    def decoding_warnings(self) -> tuple[str, ...]:
        return self.decoded.warnings if self.decoded else ()
