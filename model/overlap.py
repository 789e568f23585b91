"""What two texts share, word by word: marks that tell a small network where to look.

MiniLM is uncased and weak at numbers, so the words of a claim and of a passage are compared as text before
the network reads them: "1,500" is 1500, "two" is 2, "1956" is not "1957". Every word gets a mark, and a few
shares sum the comparison up (word overlap as a feature beside learned evidence: Bentivogli et al., RTE-5,
2009; Hanselowski et al., 2018).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

NEUTRAL, SHARED, ALIKE, LONE, SHARED_NAME, LONE_NAME, SHARED_NUMBER, LONE_NUMBER, NEGATION = range(9)
MARKS = 9
SHARES = ("words", "names", "numbers", "window", "denied")
_WINDOW_WORDS = 24  # about one sentence

_WORD = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+(?:['’][^\W\d_]+)*|\w+")
_SPELT = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
    seventeen eighteen nineteen twenty
"""
_NUMBER_WORDS = {word: str(value) for value, word in enumerate(_SPELT.split())}
_NEGATIONS_TEXT = """
    no not never none nobody nothing neither nor without cannot fails failed lack
"""
_NEGATIONS = frozenset(_NEGATIONS_TEXT.split())
_STOP_WORDS_TEXT = """
    a about also an and any are as at be been being by can could did do does for from had has have
    he her his how i if in into is it its may of on or she so such than that the their them then
    there these they this those to was we were what when where which who whom whose why will with
    would you
"""
STOP_WORDS = frozenset(_STOP_WORDS_TEXT.split())
_SUFFIXES = ("ations", "ation", "ings", "ing", "ies", "ied", "ers", "er", "ed", "es", "ly", "s", "e", "y")


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text: text[start:end]."""

    start: int
    end: int
    key: str  # equal for words that mean the same number or spelling
    stem: str
    kind: int  # SHARED (plain), SHARED_NAME, SHARED_NUMBER, NEGATION, or NEUTRAL for stop words


@dataclass(frozen=True, slots=True)
class Overlap:
    """Marks of both texts, one a character, and the shares in the order of `SHARES`."""

    claim: bytes
    passage: bytes
    shares: tuple[float, ...]


@lru_cache(maxsize=8192)
def words_of(text: str) -> tuple[Word, ...]:
    """The words of a text, in order."""
    found = []
    for match in _WORD.finditer(text):
        key = _key(match.group())
        found.append(Word(match.start(), match.end(), key, _stem(key), _kind(text, match, key)))
    return tuple(found)


def _key(word: str) -> str:
    folded = word.casefold().replace("’", "'").removesuffix("'s")
    if folded[0].isdigit():
        return folded.replace(",", "").removesuffix(".0")
    return _NUMBER_WORDS.get(folded, folded)


def _stem(key: str) -> str:
    """A crude stem: enough to see that "increases" and "increased" are alike."""
    for suffix in _SUFFIXES:
        if key.endswith(suffix) and len(key) - len(suffix) >= 3:
            return key[: -len(suffix)]
    return key


def _kind(text: str, match: re.Match[str], key: str) -> int:
    if key[0].isdigit():
        return SHARED_NUMBER
    if key in _NEGATIONS or key.endswith("n't"):
        return NEGATION
    if key in STOP_WORDS:
        return NEUTRAL
    inside = text[: match.start()].rstrip()[-1:] not in ("", ".", "!", "?")
    return SHARED_NAME if match.group()[0].isupper() and inside else SHARED


def compare(claim: str, passage: str) -> Overlap:
    """Mark both texts with what they share."""
    ours, theirs = words_of(claim), words_of(passage)
    return Overlap(
        _marked(claim, ours, theirs),
        _marked(passage, theirs, ours),
        (*_shares(ours, theirs), _denied(ours, theirs)),
    )


def _marked(text: str, words: Sequence[Word], others: Sequence[Word]) -> bytes:
    keys, stems = {word.key for word in others}, {word.stem for word in others}
    marks = bytearray(len(text))
    for word in words:
        mark = _mark(word, keys, stems)
        marks[word.start : word.end] = bytes([mark]) * (word.end - word.start)
    return bytes(marks)


def _mark(word: Word, keys: set[str], stems: set[str]) -> int:
    if word.kind in (NEUTRAL, NEGATION):
        return word.kind
    if word.key in keys:
        return word.kind
    if word.kind == SHARED_NUMBER:
        return LONE_NUMBER
    if word.stem in stems:
        return ALIKE
    return LONE_NAME if word.kind == SHARED_NAME else LONE


def _shares(claim: Sequence[Word], passage: Sequence[Word]) -> tuple[float, float, float, float]:
    """Shares of the claim's words, names and numbers in the passage, and of its words in one window."""
    keys, stems = {word.key for word in passage}, {word.stem for word in passage}

    def held(*kinds: int) -> float:
        asked = [word for word in claim if word.kind in kinds]
        have = sum(word.key in keys or (word.kind != SHARED_NUMBER and word.stem in stems) for word in asked)
        return have / len(asked) if asked else 1.0

    content = {word.stem for word in claim if word.kind not in (NEUTRAL, NEGATION)}
    return (
        held(SHARED, SHARED_NAME, SHARED_NUMBER),
        held(SHARED_NAME),
        held(SHARED_NUMBER),
        _best_window(content, [word.stem for word in passage]),
    )


def _best_window(content: set[str], stems: Sequence[str]) -> float:
    """Largest share of `content` among `_WINDOW_WORDS` neighbours; repeats count, up to 1."""
    if not content:
        return 1.0
    sums = [0, *accumulate(stem in content for stem in stems)]
    last = len(stems)
    best = max(
        (
            sums[min(start + _WINDOW_WORDS, last)] - sums[start]
            for start in range(max(1, last - _WINDOW_WORDS + 1))
        ),
        default=0,
    )
    return min(1.0, best / len(content))


def _denied(claim: Sequence[Word], passage: Sequence[Word]) -> float:
    """1 where one text denies something and the other denies nothing."""
    ours, theirs = (any(word.kind == NEGATION for word in words) for words in (claim, passage))
    return float(ours != theirs)
