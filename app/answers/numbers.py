"""Numbers of a text in one spelling, so that a claim's numbers can be looked for in a passage."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_THOUSANDS = re.compile(r",(?=\d{3}(?!\d))")
_SPELT = """
    zero, one first once, two second twice, three third, four fourth, five fifth, six sixth, seven seventh,
    eight eighth, nine ninth, ten tenth, eleven eleventh, twelve twelfth
"""
_WORDS = {word: str(value) for value, words in enumerate(_SPELT.split(",")) for word in words.split()}


def numbers_of(text: str) -> set[str]:
    """Every number: "1,500" is "1500", "4.50" is "4.5", "two" is "2"."""
    digits = {plain_number(match.group()) for match in _NUMBER.finditer(text)}
    return digits | {_WORDS[word] for word in re.findall(r"[a-z]+", text.casefold()) if word in _WORDS}


def missing_number(claim: str, passage: str) -> bool:
    """Whether the claim writes a number in digits that the passage holds in no spelling."""
    written = {plain_number(match.group()) for match in _NUMBER.finditer(claim)}
    return not written <= numbers_of(passage)


def plain_number(number: str) -> str:
    """Digits without thousands separators and needless decimals."""
    whole = _THOUSANDS.sub("", number)
    return whole.rstrip("0").rstrip(".") if "." in whole else whole
