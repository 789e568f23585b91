"""Does a passage hold what a gold names? And a ranking in terms of golds. Pure.

Gold in the user's documents is named by words and place, not by the id of a chunk: a document that is read
again is cut anew, and the gold still holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.evals.cases import Gold
from retrieval.types import Chunk

LONG_QUOTE_WORDS = 7


@dataclass(frozen=True, slots=True)
class Candidate:
    """A passage that was found or cited; `key` is its id in the set's own corpus or passages."""

    chunk: Chunk
    key: str | None


def holds(gold: Gold, candidate: Candidate) -> bool:
    """By id where the set brings its passages; else document, then page, then the quoted words must agree."""
    chunk = candidate.chunk
    if gold.id is not None or candidate.key is not None:
        return gold.id == candidate.key
    if gold.document_id is not None and gold.document_id != chunk.document_id:
        return False
    if gold.document_id is None and gold.file != chunk.file_name:
        return False
    return _on_page(gold, chunk) and (gold.quote is None or holds_quote(gold.quote, chunk.text))


def _on_page(gold: Gold, chunk: Chunk) -> bool:
    if gold.page is None or chunk.page_first is None:
        return True
    return chunk.page_first <= gold.page <= (chunk.page_last or chunk.page_first)


def holds_quote(quote: str, text: str) -> bool:
    """The words stand in the text; of a long quote the larger half will do, for a chunk may end in it."""
    words, held = quote.casefold().split(), " ".join(text.casefold().split())
    half = (len(words) + 1) // 2 if len(words) >= LONG_QUOTE_WORDS else len(words)
    return any(" ".join(part) in held for part in (words[:half], words[-half:]))


def ranking(golds: Sequence[Gold], found: Sequence[Candidate]) -> tuple[dict[str, int], list[str]]:
    """Grades by gold, and the found passages named by the gold they hold, best first.

    A gold counts at the first passage that holds it; later ones, and passages of no gold, are named so that
    nothing relevant is called like them. A passage that holds two golds stands for both.
    """
    grades = {_name(number): gold.grade for number, gold in enumerate(golds)}
    named: list[str] = []
    for rank, candidate in enumerate(found):
        new = [
            _name(number)
            for number, gold in enumerate(golds)
            if holds(gold, candidate) and _name(number) not in named
        ]
        named += new or [f"other-{rank}"]
    return grades, named


def cited_golds(golds: Sequence[Gold], cited: Sequence[Candidate]) -> tuple[float | None, float]:
    """Precision (None: nothing is cited) and recall of citations; `golds` is not empty."""
    right = [candidate for candidate in cited if any(holds(gold, candidate) for gold in golds)]
    held = [gold for gold in golds if any(holds(gold, candidate) for candidate in cited)]
    return (len(right) / len(cited) if cited else None), len(held) / len(golds)


def missing(golds: Sequence[Gold], keys: Mapping[str, object] | frozenset[str], files: frozenset[str],
            document_ids: frozenset[int]) -> list[Gold]:  # fmt: skip
    """Golds that name nothing that is there: what rests on them cannot be scored."""

    def there(gold: Gold) -> bool:
        if gold.id is not None:
            return gold.id in keys
        return gold.document_id in document_ids if gold.document_id is not None else gold.file in files

    return [gold for gold in golds if not there(gold)]


def _name(number: int) -> str:
    return f"gold-{number}"
