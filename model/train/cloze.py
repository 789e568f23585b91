"""Questions that nobody asked: a sentence taken out of a passage looks for the rest of it.

The inverse cloze task (Lee et al., 2019). People's questions cover few subjects; sentences, and sentences
without their stop words, look more like the statements and keywords that other collections are searched
with.
"""

from __future__ import annotations

import random
import re

from model.overlap import STOP_WORDS
from model.train.data import Corpus, Passage, Question, split_of

CLOZE = "cloze"
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_WORDS = (6, 30)  # of a sentence that is taken out
_ANCHOR_CHARACTERS = 60  # of a neighbouring sentence, which a window of the rest must hold
_KEYWORD_SHARE = 0.5


def with_cloze(corpus: Corpus, count: int, chance: random.Random) -> Corpus:
    """The corpus with up to `count` questions of this kind, asked of copies of training passages."""
    sources = [index for index in corpus.passages_of("train") if _parts(corpus.passages[index].text)]
    passages, questions = list(corpus.passages), list(corpus.questions)
    for index in chance.sample(sources, min(count, len(sources))):
        made = _taken_out(corpus.passages[index].text, chance)
        if made is not None:
            sentence, rest, anchor = made
            whole = corpus.passages[index]
            passages.append(Passage(rest, whole.title, whole.source, whole.document))
            query = keywords(sentence) if chance.random() < _KEYWORD_SHARE else sentence
            questions.append(Question(query, len(passages) - 1, (), (), (anchor,), CLOZE))
    assert all(split_of(passage) == "train" for passage in passages[len(corpus.passages) :])
    return Corpus(passages, questions)


def keywords(sentence: str) -> str:
    """The sentence without its stop words and stops."""
    words = re.findall(r"[^\W_][\w'-]*", sentence)
    return " ".join(word for word in words if word.casefold() not in STOP_WORDS)


def _parts(text: str) -> list[str]:
    """Sentences, where there are enough of them for one to be missed."""
    parts = _SENTENCE_END.split(" ".join(text.split()))
    return parts if len(parts) >= 3 else []


def _taken_out(text: str, chance: random.Random) -> tuple[str, str, str] | None:
    """A sentence, the text without it, and the beginning of what stood beside it."""
    parts = _parts(text)
    usable = [at for at, part in enumerate(parts) if _WORDS[0] <= len(part.split()) <= _WORDS[1]]
    if not usable:
        return None
    at = chance.choice(usable)
    rest = parts[:at] + parts[at + 1 :]
    return parts[at], " ".join(rest), rest[min(at, len(rest) - 1)][:_ANCHOR_CHARACTERS]
