"""What a parser is given: the file, what it really is, and a way to report pages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ingest.decode import Decoded
from ingest.types import ParseLimits

PageProgress = Callable[[int, int], None]
"""Called with (pages done, pages in all)."""


def no_progress(_done: int, _total: int) -> None:
    """For callers that do not watch."""


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

    @property
    def text(self) -> str:
        """The decoded text; only families that are text have one."""
        assert self.decoded is not None, self.family
        return self.decoded.text

    @property
    def decoding_warnings(self) -> tuple[str, ...]:
        return self.decoded.warnings if self.decoded else ()
