"""Claims, their evidence and the verdict. Pure over an injected pair scorer.

Until the verifier network is trained the support score is the cross-encoder's probability for the claim
against the evidence window, capped by the share of the claim's content words (numbers always count) that
stand in that window: a relevance model alone would let a wrong number pass.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby, pairwise

from app.answers.types import Claim, Footnote, Passage, PlacedBy, Verdict
from retrieval.types import ScorePairs

MARKER = re.compile(r"\s*\[(\d+)\]")
# A line end alone is a wrapped line of a page; it ends a sentence only before a table row or a list item.
SENTENCE_END = re.compile(
    r"(?<=[.!?。！？])(?:[\"'”’)\]]*)(?:\s*\[\d+\])*\s+(?=\S)(?!\[\d+\])"
    r"|\n\s*\n|\n(?=[^\n]* \| )|\n(?=\s*(?:[-*•–]|\d+[.)])\s)"
)
WORD = re.compile(r"\w+(?:[.,]\d+)*")
STOP_WORDS = frozenset(
    {
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "been",
        "by",
        "did",
        "do",
        "does",
        "for",
        "from",
        "had",
        "has",
        "have",
        "he",
        "her",
        "his",
        "how",
        "in",
        "into",
        "is",
        "it",
        "its",
        "of",
        "on",
        "or",
        "she",
        "that",
        "the",
        "their",
        "there",
        "they",
        "this",
        "to",
        "was",
        "were",
        "what",
        "when",
        "where",
        "which",
        "who",
        "whom",
        "whose",
        "why",
        "will",
        "with",
    }
)
SUPPORT_THRESHOLD = 0.5
KEEP_SHARE = 0.8  # of the best passage's support that a marker of the model must reach


def split_sentences(text: str) -> list[tuple[int, int]]:
    """Character spans of sentences; trailing citation markers belong to their sentence."""
    spans = []
    start = 0
    for match in SENTENCE_END.finditer(text):
        spans.append((start, match.end()))
        start = match.end()
    spans.append((start, len(text)))
    return [trimmed for span in spans if (trimmed := _trim(text, *span)) is not None]


def _trim(text: str, start: int, end: int) -> tuple[int, int] | None:
    inner = text[start:end]
    left = start + len(inner) - len(inner.lstrip())
    right = start + len(inner.rstrip())
    return (left, right) if left < right else None


def split_claims(answer: str) -> list[Claim]:
    """The answer's sentences with the passages that each one cites."""
    claims = []
    for start, end in split_sentences(answer):
        sentence = answer[start:end]
        text = MARKER.sub("", sentence).strip()
        if WORD.search(text):
            cited = tuple(dict.fromkeys(int(number) for number in MARKER.findall(sentence)))
            claims.append(Claim(text, start, end, cited))
    return claims


def content_words(text: str) -> list[str]:
    return [word for word in (w.casefold() for w in WORD.findall(text)) if word not in STOP_WORDS]


def coverage(claim: str, evidence: str) -> float:
    """Share of the claim's content words that the evidence holds; 0 when a number is missing."""
    asked = content_words(claim) or [word.casefold() for word in WORD.findall(claim)]
    held = {word.casefold() for word in WORD.findall(evidence)}
    if not asked or any(word not in held for word in asked if word[0].isdigit()):
        return 0.0
    return sum(word in held for word in asked) / len(asked)


def shared_words(asked: str, evidence: str) -> float:
    """Share of the content words of one text that stand in the other."""
    words = set(content_words(asked))
    held = {word.casefold() for word in WORD.findall(evidence)}
    return len(words & held) / len(words) if words else 0.0


def evidence_windows(text: str) -> list[tuple[int, int]]:
    """Candidate evidence spans: each sentence, and each pair of neighbours."""
    sentences = split_sentences(text)
    pairs = [(left[0], right[1]) for left, right in pairwise(sentences)]
    return sentences + pairs


def find_evidence(question: str, claim: str, text: str) -> tuple[int, int]:
    """The shortest window of the passage that holds most of the claim's words, then of the question's."""

    def worth(span: tuple[int, int]) -> tuple[float, float, int]:
        window = text[slice(*span)]
        return coverage(claim, window), shared_words(question, window), span[0] - span[1]

    return max(evidence_windows(text) or [(0, len(text))], key=worth)


def verdict_of(score: float) -> Verdict:
    return "supported" if score >= SUPPORT_THRESHOLD else "not_supported"


def check(
    question: str, claims: Sequence[Claim], passages: Sequence[Passage], score_pairs: ScorePairs
) -> list[Footnote]:
    """Footnotes for every claim, in order.

    A marker is kept when its passage supports the claim about as well as any other does. A claim that is left
    without one is aligned to its best passage: small models place markers at random too often to be believed.
    """
    pairs = [(f"{question} {claim.text}", passage.chunk.text) for claim in claims for passage in passages]
    if not pairs:
        return []
    scores = score_pairs(pairs).reshape(len(claims), len(passages))
    footnotes: list[Footnote] = []
    for claim, row in zip(claims, scores, strict=True):
        support = [
            min(float(score), coverage(claim.text, passage.chunk.text))
            for score, passage in zip(row, passages, strict=True)
        ]
        footnotes += _footnotes(question, claim, passages, row.tolist(), support)
    return footnotes


def _footnotes(
    question: str,
    claim: Claim,
    passages: Sequence[Passage],
    scores: Sequence[float],
    support: Sequence[float],
) -> list[Footnote]:
    best = max(range(len(passages)), key=lambda index: (support[index], scores[index]))
    kept = [
        index
        for index, passage in enumerate(passages)
        if passage.number in claim.cited and support[index] >= KEEP_SHARE * support[best]
    ]
    placed_by: PlacedBy = "model" if kept else "alignment"
    return [_footnote(question, claim, passages[index], scores[index], placed_by) for index in kept or [best]]


def _footnote(question: str, claim: Claim, passage: Passage, score: float, placed_by: PlacedBy) -> Footnote:
    start, end = find_evidence(question, claim.text, passage.chunk.text)
    text = passage.chunk.text[start:end]
    support = min(score, coverage(claim.text, text))
    offset = passage.chunk.start
    return Footnote(
        passage, claim, offset + start, offset + end, text, verdict_of(support), support, placed_by
    )


def with_markers(answer: str, footnotes: Sequence[Footnote]) -> tuple[str, list[Footnote]]:
    """The answer with exactly the markers of its footnotes, and the claims' new places."""
    text = answer
    shift = 0
    placed: list[Footnote] = []
    for claim, group in groupby(footnotes, key=lambda footnote: footnote.claim):
        notes = list(group)
        start, end = claim.start + shift, claim.end + shift
        sentence = _marked(text[start:end], claim, [note.passage.number for note in notes])
        text = text[:start] + sentence + text[end:]
        moved = replace(claim, start=start, end=start + len(sentence))
        placed += [replace(note, claim=moved) for note in notes]
        shift += start + len(sentence) - end
    return text, placed


def _marked(sentence: str, claim: Claim, numbers: Sequence[int]) -> str:
    """The sentence with these markers; unchanged where it has them already."""
    if sorted(claim.cited) == sorted(numbers):
        return sentence
    return MARKER.sub("", sentence).rstrip() + "".join(f" [{number}]" for number in numbers)


def claim_support(claim: str, passages: Sequence[str], score_pairs: ScorePairs) -> tuple[Verdict, float]:
    """The verdict on a free-standing claim against whole passages, for `footnote eval claims`."""
    if not passages:
        return "not_supported", 0.0
    scores = score_pairs([(claim, passage) for passage in passages])
    support = max(
        min(float(score), coverage(claim, passage)) for score, passage in zip(scores, passages, strict=True)
    )
    return verdict_of(support), support
