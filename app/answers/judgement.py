"""What the verifier says about a claim, and the verdict that follows. Pure over an injected verifier.

A number that a passage does not hold overrules the network: small networks read numbers badly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.answers.numbers import missing_number
from app.answers.types import Verdict, Verify
from app.answers.words import WORD

SUPPORT_THRESHOLD = 0.5
STATEMENT_WORDS = 5  # fewest words of a claim that is checked without its question


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the verifier says about a claim and a text."""

    supported: float
    contradicted: float
    neither: float

    @property
    def verdict(self) -> Verdict:
        """Supported from one half on, where the verifier is calibrated; else the likelier of the others."""
        if self.supported >= SUPPORT_THRESHOLD:
            return "supported"
        return "contradicted" if self.contradicted > self.neither else "not_supported"

    @property
    def of_verdict(self) -> float:
        """Probability of the verdict."""
        return {
            "supported": self.supported,
            "contradicted": self.contradicted,
            "not_supported": self.neither,
        }[self.verdict]

    def without_support(self) -> Judgement:
        """The same with no support, which then counts as neither."""
        return Judgement(0.0, self.contradicted, self.neither + self.supported)


def stands_alone(claim: str) -> bool:
    """Whether a claim is a statement rather than a short answer, which means nothing without its question."""
    return (
        claim.rstrip('"”’)').endswith((".", "!", "。", "！")) and len(WORD.findall(claim)) >= STATEMENT_WORDS
    )


def statement(question: str, claim: str) -> str:
    """What the verifier reads: the form that it was trained on."""
    return claim if stands_alone(claim) else f"{question} {claim}".strip()


def judge(question: str, pairs: Sequence[tuple[str, str]], verify: Verify) -> list[Judgement]:
    """Judgements on (claim, text) pairs; a missing number is never supported, whatever the verifier says."""
    if not pairs:
        return []
    rows = verify([(statement(question, claim), text) for claim, text in pairs])
    judged = [Judgement(*map(float, row)) for row in rows]
    return [
        said.without_support() if missing_number(claim, text) else said
        for said, (claim, text) in zip(judged, pairs, strict=True)
    ]
