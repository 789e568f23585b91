"""Claims, their evidence and the verdict. Pure over an injected verifier.

Where claims begin and end, which passage each one rests on, and which span of it is the evidence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby, pairwise

from app.answers.judgement import Judgement, judge, stands_alone
from app.answers.sentences import split_sentences
from app.answers.types import Claim, Footnote, Passage, PlacedBy, Verdict, Verify
from app.answers.words import WORD, coverage, shared_words

MARKER = re.compile(r"\s*\[(\d+)\]")
NEAR_BEST = 0.9  # of the best window's probability that a shorter one must reach to be the evidence


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


def check(
    question: str, claims: Sequence[Claim], passages: Sequence[Passage], verify: Verify
) -> list[Footnote]:
    """Footnotes for every claim, in order.

    A marker is kept when its passage supports the claim. A claim that is left without one is aligned to the
    passage that supports it best, or that says most about it: small models place markers at random too often
    to be believed.
    """
    pairs = [(claim.text, passage.chunk.text) for claim in claims for passage in passages]
    said = _read(question, pairs, verify)
    placed: list[tuple[Claim, Passage, Judgement, PlacedBy]] = []
    for at, claim in enumerate(claims):
        row = said[at * len(passages) : (at + 1) * len(passages)]
        placed += [(claim, passages[index], row[index], by) for index, by in _placed(claim, passages, row)]
    spans = evidence_spans(question, [(c.text, p.chunk.text, j.verdict) for c, p, j, _ in placed], verify)
    return [_footnote(*each, span) for each, span in zip(placed, spans, strict=True)]


def _read(question: str, pairs: Sequence[tuple[str, str]], verify: Verify) -> list[Judgement]:
    """Judgements on (claim, passage text), of the text or its likeliest window: whichever supports more.

    What surrounds the evidence makes a small verifier doubt: a right date in a paragraph of other numbers.
    """
    windows = [(claim, text[slice(*find_evidence(question, claim, text))]) for claim, text in pairs]
    said = judge(question, [*pairs, *windows], verify)
    return [
        max(whole, part, key=lambda one: one.supported)
        for whole, part in zip(said[: len(pairs)], said[len(pairs) :], strict=True)
    ]


def _placed(
    claim: Claim, passages: Sequence[Passage], said: Sequence[Judgement]
) -> list[tuple[int, PlacedBy]]:
    """Which passages a claim rests on, by index, and who chose them."""
    indices = range(len(passages))
    cited = [index for index in indices if passages[index].number in claim.cited]
    kept = [index for index in cited if said[index].verdict == "supported"]
    if kept or not passages:
        return [(index, "model") for index in kept]
    best = max(indices, key=lambda index: (said[index].verdict == "supported", -said[index].neither))
    return [(best, "model" if best in cited else "alignment")]


def _footnote(
    claim: Claim, passage: Passage, said: Judgement, placed_by: PlacedBy, span: tuple[int, int]
) -> Footnote:
    offset = passage.chunk.start
    return Footnote(
        passage,
        claim,
        offset + span[0],
        offset + span[1],
        passage.chunk.text[slice(*span)],
        said.verdict,
        said.supported,
        placed_by,
    )


def evidence_spans(
    question: str, checked: Sequence[tuple[str, str, Verdict]], verify: Verify
) -> list[tuple[int, int]]:
    """The evidence of each (claim, passage text, verdict), as character spans of the passage.

    For a statement it is the shortest window for which the verifier says the same nearly as surely as for the
    best window. For a short answer, where nothing is said about the claim, and where no window says it,
    shared words decide: the span that a footnote opens must hold the words of the answer.
    """
    windows = [
        evidence_windows(text) if verdict != "not_supported" and stands_alone(claim) else []
        for claim, text, verdict in checked
    ]
    pairs = [
        (claim, text[slice(*window)])
        for (claim, text, _), found in zip(checked, windows, strict=True)
        for window in found
    ]
    said = iter(judge(question, pairs, verify))
    spans = []
    for (claim, text, verdict), found in zip(checked, windows, strict=True):
        sure = {
            window: one.of_verdict
            for window, one in ((w, next(said)) for w in found)
            if one.verdict == verdict
        }
        near = [window for window, score in sure.items() if score >= NEAR_BEST * max(sure.values())]
        shortest = min(near, key=lambda window: window[1] - window[0], default=None)
        spans.append(shortest or find_evidence(question, claim, text))
    return spans


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
