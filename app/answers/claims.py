"""One verdict a claim, and one state an answer. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from app.answers.grounding import MARKER
from app.answers.sentences import split_sentences
from app.answers.types import (
    CheckedClaim,
    Claim,
    Footnote,
    GroundingState,
    QuoteCheck,
    RemovedClaim,
    Verdict,
)
from app.answers.words import WORD

ORDER: tuple[Verdict, ...] = ("supported", "contradicted", "not_supported")


def checked_claims(footnotes: Sequence[Footnote]) -> tuple[CheckedClaim, ...]:
    """Every claim with the verdict of the footnote that decides it: one that supports it, if there is one."""
    numbered = enumerate(footnotes)
    return tuple(
        _checked(claim, list(group)) for claim, group in groupby(numbered, key=lambda pair: pair[1].claim)
    )


def _checked(claim: Claim, notes: list[tuple[int, Footnote]]) -> CheckedClaim:
    ranked = sorted(notes, key=lambda pair: (ORDER.index(pair[1].verdict), -pair[1].score))
    deciding = ranked[0][1]
    return CheckedClaim(claim, deciding.verdict, deciding.score, tuple(index for index, _ in ranked))


def grounding_state(claims: Sequence[CheckedClaim], quotes: Sequence[QuoteCheck]) -> GroundingState:
    """Grounded: every claim is supported and every quote stands where it is said to stand.

    Ungrounded: no claim is supported. Refused: nothing is claimed.
    """
    if not claims:
        return "refused"
    supported = sum(claim.verdict == "supported" for claim in claims)
    if not supported:
        return "ungrounded"
    whole = supported == len(claims) and all(quote.verdict == "supported" for quote in quotes)
    return "grounded" if whole else "partly"


def without_unsupported(
    answer: str, footnotes: Sequence[Footnote]
) -> tuple[str, list[Footnote], tuple[RemovedClaim, ...]]:
    """The answer without the claims that no passage supports; the others' places follow the text."""
    unsupported = [one for one in checked_claims(footnotes) if one.verdict != "supported"]
    gone = {one.claim for one in unsupported}
    kept = [note for note in footnotes if note.claim not in gone]
    text, moved = _cut(answer, [(claim.start, claim.end) for claim in gone], kept)
    return text, moved, tuple(RemovedClaim(one.claim.text, one.verdict, one.score) for one in unsupported)


def without_stray_markers(answer: str) -> str:
    """The answer without markers that stand at no claim."""
    wordless = [
        span for span in split_sentences(answer) if not WORD.search(MARKER.sub("", answer[slice(*span)]))
    ]
    return _cut(answer, wordless, [])[0]


def _cut(
    answer: str, spans: Sequence[tuple[int, int]], footnotes: Sequence[Footnote]
) -> tuple[str, list[Footnote]]:
    """The answer without these spans and the blanks behind them, and the footnotes at their new places."""
    text, moved = answer, list(footnotes)
    for start, end in sorted(spans, reverse=True):
        tail = text[end:].lstrip()
        cut = len(text) - start - len(tail)
        text = text[:start] + tail
        moved = [_shifted(note, cut) if note.claim.start > start else note for note in moved]
    return text.rstrip(), moved


def _shifted(note: Footnote, by: int) -> Footnote:
    claim = note.claim
    return replace(note, claim=replace(claim, start=claim.start - by, end=claim.end - by))
