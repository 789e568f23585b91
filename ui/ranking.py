"""Why a passage stands where it does, in words (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from ui.schemas import Hit


def why(hit: Hit) -> str:
    """`Place 3 by meaning and 1 by words (leave, days) made it place 1 of the fused list; ...`"""
    return f"{'; '.join(reasons(hit))}."


def reasons(hit: Hit) -> Iterator[str]:
    """The stages in the order in which they ran."""
    found = list(finders(hit))
    if found and hit.ranks.fused is not None:
        yield f"{' and '.join(found)} made it number {hit.ranks.fused} of the fused list"
    elif not found:
        yield "No search found it; the last answer cited it"
    if hit.scores.rerank is None:
        yield "the cross-encoder did not read it, so it stands behind all that it read"
    elif hit.ranks.fused is not None:
        yield f"reranking moved it {moved(hit.ranks.fused, hit.number)}"
    else:
        yield f"reranking made it number {hit.number}"


def finders(hit: Hit) -> Iterator[str]:
    """The searches that found it."""
    if hit.ranks.dense is not None:
        yield f"Number {hit.ranks.dense} by meaning"
    if hit.ranks.bm25 is not None:
        words = f" ({', '.join(hit.matched)})" if hit.matched else ""
        yield (
            f"number {hit.ranks.bm25} by words{words}"
            if hit.ranks.dense
            else f"Number {hit.ranks.bm25} by words{words}"
        )


def moved(before: int, after: int) -> str:
    """`up to 1`, `down to 4`, or that it stayed."""
    if before == after:
        return f"neither up nor down from {after}"
    return f"{'up' if after < before else 'down'} to {after}"
