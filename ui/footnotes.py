"""Where the footnotes of an answer stand (pure): markers become notes, unmarked citations get one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ui.schemas import Citation

MARKER = re.compile(r"\s?\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text, or a footnote when `citation` is its index in the answer's citations."""

    text: str
    citation: int | None = None


def without_markers(text: str) -> str:
    """The words alone, as a claim is quoted."""
    return MARKER.sub("", text).strip()


def footnoted(answer: str, citations: Sequence[Citation]) -> list[Piece]:
    """Splits an answer into text and footnotes.

    A marker without a citation of its number stays text: it must not look as if it could be opened. A
    citation that the text has no marker for stands at the end of its claim.
    """
    notes = marker_notes(answer, citations)
    placed = {index for _, _, index in notes}
    for index, citation in enumerate(citations):
        if index not in placed:
            position = min(max(citation.claim_end, 0), len(answer))
            notes.append((position, position, index))
    pieces, at = list[Piece](), 0
    for start, end, index in sorted(notes):
        if start > at:
            pieces.append(Piece(answer[at:start]))
        pieces.append(Piece(str(citations[index].number), index))
        at = max(at, end)
    return [*pieces, Piece(answer[at:])] if at < len(answer) else pieces


def marker_notes(answer: str, citations: Sequence[Citation]) -> list[tuple[int, int, int]]:
    """Markers as (start, end, citation index); of several citations with its number, the nearest claim's."""
    notes = []
    for match in MARKER.finditer(answer):
        same = [index for index, each in enumerate(citations) if each.number == int(match[1])]
        if same:
            nearest = min(same, key=lambda index: distance(match.start(), citations[index]))
            notes.append((match.start(), match.end(), nearest))
    return notes


def distance(position: int, citation: Citation) -> int:
    """Characters between a marker and the claim of a citation; 0 inside the claim."""
    return max(citation.claim_start - position, position - citation.claim_end, 0)
