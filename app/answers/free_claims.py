"""Claims that stand in no answer, checked against passages that are said to hold their evidence. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from app.answers.judgement import judge
from app.answers.types import Verdict, Verify
from app.answers.words import shared_words

JOINED_WORDS = 120  # neighbouring passages are read together up to this length
READ_TEXTS = 4  # texts the verifier reads for a claim


def claim_support(claim: str, passages: Sequence[str], verify: Verify) -> tuple[Verdict, float]:
    """The verdict on a free-standing claim and its support, for `footnote eval claims`.

    Neighbouring short passages are read together, because evidence is often spread over sentences; of many
    texts the verifier reads those that share most words with the claim.
    """
    texts = sorted(joined(passages), key=lambda text: -shared_words(claim, text))[:READ_TEXTS]
    said = judge("", [(claim, text) for text in texts], verify)
    if not said:
        return "not_supported", 0.0
    most = max(said, key=lambda one: one.supported)
    decided = most if most.verdict == "supported" else max(said, key=lambda one: one.contradicted)
    return decided.verdict, most.supported


def joined(passages: Sequence[str]) -> list[str]:
    """Runs of neighbouring passages of `JOINED_WORDS` words at most, each from the middle of the last."""
    sizes = [len(passage.split()) for passage in passages]
    runs: list[tuple[int, int]] = []
    start = 0
    while start < len(passages):
        end, words = start + 1, sizes[start]
        while end < len(passages) and words + sizes[end] <= JOINED_WORDS:
            words += sizes[end]
            end += 1
        runs.append((start, end))
        if end == len(passages):
            break
        start = max(start + 1, (start + end) // 2)
    return [" ".join(passages[slice(*run)]) for run in runs]
