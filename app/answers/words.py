"""Words that two texts share. Pure."""

from __future__ import annotations

import re

WORD = re.compile(r"\w+(?:[.,]\d+)*")
_STOP_WORDS = """
    a an and are as at be been by did do does for from had has have he her his how in into is it its
    of on or she that the their there they this to was were what when where which who whom whose why
    will with
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())


def number_forms(word: str) -> tuple[str, ...]:
    """An English word as it is, and its plural or singular by rule: batteries, battery."""
    lower = word.casefold()
    if lower.endswith("ies") and len(word) > 4:
        return word, f"{word[:-3]}y"
    if lower.endswith(("ses", "xes", "zes", "ches", "shes")):
        return word, word[:-2]
    if lower.endswith("s"):
        return (word,) if lower.endswith(("ss", "us", "is")) else (word, word[:-1])
    if lower.endswith("y") and lower[-2:-1] not in tuple("aeiou"):
        return word, f"{word[:-1]}ies"
    return word, f"{word}{'es' if lower.endswith(('x', 'z', 'ch', 'sh')) else 's'}"


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
