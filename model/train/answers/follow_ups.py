"""Follow-up questions made by rule: what two questions on one document share is replaced by a pronoun.

The rewriter learns the way back. Rules know no gender and no plural, so the pronoun is drawn; the history
decides what it stands for, as it does in a conversation.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from model.train.answers.data import Chunk, Item

_NAME = re.compile(r"\b(?:the |The )?[A-Z][\w'’-]+(?: (?:of |the |de |van )?[A-Z][\w'’-]+)*")
_QUESTION_WORDS = frozenset(
    (
        *("What", "Who", "When", "Where", "Why", "How", "Which", "Whose", "Whom"),
        *("In", "On", "At", "For", "Is", "Are", "Was", "Were", "Did", "Does", "Do"),
    )
)
_PRONOUNS = (("it", "its"), ("it", "its"), ("they", "their"), ("he", "his"), ("she", "her"))
_MAX_A_DOCUMENT = 40


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A question that leans on earlier ones, and what it means."""

    earlier: tuple[str, ...]
    last: str
    standalone: str


def follow_ups(items: Sequence[Item], chunks: Sequence[Chunk], seed: int = 7) -> list[FollowUp]:
    """Pairs of neighbouring questions on one document that name the same thing."""
    chance = random.Random(seed)
    by_document: dict[tuple[str, str], list[Item]] = defaultdict(list)
    for item in items:
        by_document[(item.source, chunks[item.chunk].document)].append(item)
    found = []
    for group in by_document.values():
        made = [pair for pair in pairwise(group) if pair[0].question != pair[1].question]
        for first, second in chance.sample(made, min(len(made), _MAX_A_DOCUMENT)):
            if follow_up := _follow_up(first.question, second.question, chance):
                found.append(follow_up)
    return found


def _follow_up(first: str, second: str, chance: random.Random) -> FollowUp | None:
    shared = [name for name in names(second) if name in first]
    if not shared:
        return None
    if chance.random() < 0.15:  # a question that stands alone is left alone
        return FollowUp((first,), second, second)
    name = max(shared, key=len)
    subject, possessive = chance.choice(_PRONOUNS)
    last = re.sub(rf"{re.escape(name)}['’]s?\b", possessive, second)
    last = last.replace(name, subject)
    if chance.random() < 0.2:
        last = f"And {last[:1].lower()}{last[1:]}"
    return FollowUp((first,), last, second)


def names(question: str) -> list[str]:
    """Runs of capitalised words, question words left out."""
    found = []
    for match in _NAME.finditer(question):
        words = match[0].split()
        while words and words[0] in _QUESTION_WORDS:
            words = words[1:]
        if words and words != ["the"]:
            found.append(" ".join(words))
    return found
