"""Files inside a file: members of an archive, attachments of a mail.

Each goes through the same recognition and the same parsers as an uploaded file, from a copy under a name of
our own: the names inside are labels for people and never become paths.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ingest.builder import DocumentBuilder
from ingest.failures import ParseFailure
from ingest.parsers.registry import parse_source
from ingest.sniff import identify
from ingest.source import Budget, Source
from ingest.types import ParsedDocument

MAX_DEPTH: Final = 3  # a mail in an archive in a mail; deeper nesting is a trick, not filing
_MAIL: Final = frozenset({"eml", "msg"})
_SHOWN_FAILURES: Final = 20
_REFUSES_ALL: Final = frozenset({"archive_bomb", "archive_unsafe"})


@dataclass(frozen=True, slots=True)
class Part:
    """One file inside another."""

    name: str  # as a person knows it
    read: Callable[[], bytes]  # raises ParseFailure; called once, so that one part is in memory at a time


def add_parts(source: Source, parts: Sequence[Part], builder: DocumentBuilder) -> list[str]:
    """Append every readable part to `builder`; returns one warning for each that was not read.

    Raises ParseFailure `archive_bomb` or `archive_unsafe`: an attack in one part refuses the whole file.
    """
    warnings: list[str] = []
    budget = source.budget or Budget(source.limits.unpacked_bytes)
    for done, part in enumerate(parts, 1):
        try:
            parsed = _parse(source, part, budget)
        except ParseFailure as failure:
            if failure.code in _REFUSES_ALL:
                raise
            warnings.append(f"{part.name} was not read: {failure.cause}")
        else:
            builder.document(part.name, parsed)
            warnings.extend(f"{part.name}: {warning}" for warning in parsed.warnings)
        if source.depth == 0:
            source.on_page(done, len(parts))
    return _shortened(warnings)


def _parse(source: Source, part: Part, budget: Budget) -> ParsedDocument:
    if source.depth + 1 > MAX_DEPTH:
        # A mail that was forwarded again and again is honest: what lies deeper is named as unread.
        raise ParseFailure(
            "file_too_large" if source.family in _MAIL else "archive_bomb",
            f"Files are nested more than {MAX_DEPTH} levels deep.",
        )
    data = part.read()
    budget.take(len(data))
    with tempfile.NamedTemporaryFile(prefix="part-") as copy:
        copy.write(data)
        copy.flush()
        inner = identify(Path(copy.name), part.name, source.limits)
        parsed = parse_source(replace(inner, depth=source.depth + 1, budget=budget, password=source.password))
    if not parsed.text.strip():
        raise ParseFailure("no_text", "It holds no text.")
    return parsed


def _shortened(warnings: list[str]) -> list[str]:
    left_out = len(warnings) - _SHOWN_FAILURES
    return warnings if left_out <= 0 else [*warnings[:_SHOWN_FAILURES], f"And {left_out} more like these."]
