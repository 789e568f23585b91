"""A guess at a text's language: by its script, then by the small words of languages in Latin letters.

Enough to label a document and to warn; a statistical library would cost a second and 100 MB at each start.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

SAMPLE_CHARS: Final = 20_000
_MIN_LETTERS: Final = 20
_MIN_SMALL_WORDS: Final = 2  # different ones of two letters or more; fewer are chance, and letters are names
_MIN_SMALL_WORD_SHARE: Final = 0.08  # running text has 20 to 40 %; lists of names have hardly any

_SCRIPTS: Final = (  # tried in order; a share of letters above the threshold decides
    ("ja", re.compile("[\u3040-\u30ff]"), 0.10),
    ("ko", re.compile("[\uac00-\ud7a3]"), 0.30),
    ("zh", re.compile("[\u4e00-\u9fff]"), 0.40),
    ("ur", re.compile("[\u0679\u0688\u0691\u06ba\u06be\u06c1\u06d2]"), 0.06),
    ("fa", re.compile("[\u067e\u0686\u0698\u06a9\u06af\u06cc]"), 0.03),
    ("ar", re.compile("[\u0620-\u064a\ufe70-\ufefc]"), 0.40),
    ("he", re.compile("[\u05d0-\u05ea]"), 0.40),
    ("el", re.compile("[\u0370-\u03ff\u1f00-\u1fff]"), 0.40),
    ("uk", re.compile("[іїєґІЇЄҐ]"), 0.03),
    ("sr", re.compile("[ђјљњћџ]"), 0.03),
    ("bg", re.compile("[ъ]"), 0.008),  # hardly ever written in Russian
    ("ru", re.compile("[\u0400-\u04ff]"), 0.40),
    ("th", re.compile("[\u0e01-\u0e2e]"), 0.40),
    ("hi", re.compile("[\u0904-\u0939]"), 0.40),
    ("bn", re.compile("[\u0985-\u09b9]"), 0.40),
    ("pa", re.compile("[\u0a05-\u0a39]"), 0.40),
    ("gu", re.compile("[\u0a85-\u0ab9]"), 0.40),
    ("ta", re.compile("[\u0b85-\u0bb9]"), 0.40),
    ("te", re.compile("[\u0c05-\u0c39]"), 0.40),
    ("kn", re.compile("[\u0c85-\u0cb9]"), 0.40),
    ("ml", re.compile("[\u0d05-\u0d39]"), 0.40),
    ("si", re.compile("[\u0d85-\u0dc6]"), 0.40),
    ("lo", re.compile("[\u0e81-\u0eae]"), 0.40),
    ("my", re.compile("[\u1000-\u102a]"), 0.40),
    ("km", re.compile("[\u1780-\u17b3]"), 0.40),
    ("ka", re.compile("[\u10d0-\u10ff]"), 0.40),
    ("hy", re.compile("[\u0531-\u0586]"), 0.40),
    ("am", re.compile("[\u1200-\u135a]"), 0.40),
)
_SMALL_WORDS: Final = {
    "en": "the of and to in is that for it with as was on are be this by from or which not at an have",
    "de": "der die und das ist nicht ein eine zu den von mit auf für im dem des sich auch wird sind als an",
    "fr": "le la les des et est un une du dans que pour qui sur pas par au plus avec ce sont ne cette aux",
    "es": "el la los las de que y en un una por con para es del se al no como su más este esta fue son",
    "it": "il la che di e un una per non con del della sono gli le dei nel è si al come più questo alla",
    "pt": "o a os as de que e um uma em do da para com não por dos das se no na ao mais como foi são pelo",
    "nl": "de het een en van is dat op te in voor met niet zijn aan er om ook als maar bij door naar deze",
    "pl": "i w na z że się nie do jest to o jak przez od dla po są oraz ale tego może które który przy",
    "cs": "a v na je se že z s do pro o které jako od není jsou by i po jeho nebo při který být také",
    "sv": "och i att det som en på är av för med den till inte har de ett om var från kan men vid så",
    "da": "og i at det er en til af på for den med der som ikke de har et om var fra kan men ved så",
    "fi": "ja on ei se että oli ovat kun mutta myös tai joka hän sen jos niin kuin ole sekä vain mukaan",
    "hu": "a az és hogy nem egy is van ez meg azt csak volt el már még mint vagy de ha lehet szerint",
    "tr": "ve bir bu da de için ile olarak olan çok daha en gibi kadar ne var olduğu her ya sonra değil",
    "hr": "i u je se na da za su od koji kao ili iz što ne sa te bi će nije po može ako koja ovo biti",
    "vi": "và của là có không được cho một các trong người này với những đã để khi từ đến theo tại ở như",
    "id": "yang dan di untuk dengan dari ini pada tidak adalah dalam akan oleh juga itu atau ke sebagai ada",
    "la": "et in est non ut ad sed cum quod qui nec sit amet vel eu ac id quis sem ipsum dolor nulla eget",
    "ro": "și în de la a cu că nu pe este un o din care pentru mai sunt sau au fost prin ca se dar",
}
_WORDS: Final = {language: frozenset(words.split()) for language, words in _SMALL_WORDS.items()}
_WORD = re.compile(r"[^\W\d_]+")


def detect_language(text: str) -> str | None:
    """The ISO 639-1 code of the main language, or None when the text gives no hold."""
    sample = text[:SAMPLE_CHARS]
    words = _WORD.findall(sample.lower())
    letters = "".join(words)
    if len(letters) < _MIN_LETTERS:
        return None
    for language, script, share in _SCRIPTS:
        if len(script.findall(letters)) > share * len(letters):
            return language
    return _by_small_words(words)


def _by_small_words(words: list[str]) -> str | None:
    counts = Counter(words)
    scores = {name: sum(counts[word] for word in small) for name, small in _WORDS.items()}
    best = max(scores, key=lambda name: scores[name])
    enough = scores[best] >= _MIN_SMALL_WORD_SHARE * len(words)
    different = sum(len(word) > 1 for word in _WORDS[best] & counts.keys())
    return best if enough and different >= _MIN_SMALL_WORDS else None
