"""Text to index terms: one function for passages and questions, so that both sides always agree.

The rules follow Unicode (NFKC, case folding) and Lucene's practice: folded accents, Snowball stems, and
overlapping bigrams for scripts that put no spaces between words. The script of a word decides its stemmer,
because the language of a three-word question cannot be told: Latin letters are taken for English, Cyrillic
for Russian, Devanagari for Hindi. A wrong stemmer still gives both sides the same term.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import pairwise
from typing import Any

import snowballstemmer

ANALYSIS_VERSION = 3  # raise it whenever `analyze` gives different terms: saved indexes are then rebuilt
MAX_TERM_CHARACTERS = 128  # longer runs (base64, DNA) are noise to BM25 and bloat its dictionary

_UNSPACED = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\u1780-\u17ff"  # Myanmar, Khmer
    "\u3040-\u30ff\u31f0-\u31ff"  # Hiragana, Katakana
    "\u3005\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
    "\uac00-\ud7a3"  # Hangul: spaced, but its particles stick to the noun
)
_ACCENTS = re.compile(  # not the marks of Devanagari or kana, which change the letter, nor those of й and ї
    "(?<!\u0438)\u0306|(?<!\u0456)\u0308|[\u0300-\u0305\u0307\u0309-\u036f]"
)
_INVISIBLE = re.compile(  # inside words of web pages and PDFs, and never typed: soft hyphens, joiners
    "[\u00ad\u034f\u061c\u180b-\u180f\u200d-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]"
)
_STEMMERS = {  # by the first letter of the word
    range(0x0370, 0x0400): "greek",
    range(0x0400, 0x0530): "russian",
    range(0x0600, 0x0700): "arabic",  # also takes away vowel signs and unites the forms of alef
    range(0x0900, 0x0980): "hindi",
    range(0x0B80, 0x0C00): "tamil",
}
_stemmer_lock = threading.Lock()  # a Snowball stemmer keeps its word in its own state


def analyze(text: str) -> list[str]:
    """Index terms of a text, in order and with repeats; empty when it holds no letter or digit."""
    terms: list[str] = []
    for match in _word_pattern().finditer(_fold(text)):
        unspaced, word = match.groups()
        terms.extend(_bigrams(unspaced) if unspaced else [_stem(word[:MAX_TERM_CHARACTERS])])
    return terms


def matched_words(question: str, passage: str) -> list[str]:
    """Words of the question whose terms the passage holds, as they were typed, in order, once each."""
    terms = set(analyze(passage))
    words = (match[0] for match in re.finditer(r"\w+", question))
    return list(dict.fromkeys(word for word in words if terms & set(analyze(word))))


def _fold(text: str) -> str:
    """Case, compatibility forms, accents and invisible signs removed; NFC again, for Hangul and kana."""
    if text.isascii():
        return text.lower()
    text = _INVISIBLE.sub("", text)
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    return unicodedata.normalize("NFC", _ACCENTS.sub("", decomposed))


def _bigrams(run: str) -> Iterator[str]:
    """Each character and each pair of neighbours: pairs rank, single characters find one-letter words."""
    yield from run
    for first, second in pairwise(run):
        yield first + second


@lru_cache(maxsize=1 << 17)
def _stem(word: str) -> str:
    language = next((name for letters, name in _STEMMERS.items() if ord(word[0]) in letters), "english")
    with _stemmer_lock:
        return str(_stemmer(language).stemWord(word)) or word


@cache
def _stemmer(language: str) -> Any:
    return snowballstemmer.stemmer(language)


@cache
def _word_pattern() -> re.Pattern[str]:
    """Two groups: a run of an unspaced script, or a word.

    A word is letters, digits and the marks that Indic and Arabic vowels are written with; `\\w` has no marks.
    The underscore separates, so that identifiers are found by their parts.
    """
    marks = "".join(chr(c) for c in range(0x300, 0x10000) if unicodedata.category(chr(c)) in ("Mn", "Mc"))
    return re.compile(rf"([{_UNSPACED}]+)|((?:(?![_{_UNSPACED}])[\w{marks}])+)")
