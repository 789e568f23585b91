"""Sentences of passages that speak of a topic. Pure over injected scorers.

A topic is a few words, not a question, and each network alone is fooled by such: the cross-encoder by any
shared word, the encoder by any shared field. So a sentence speaks of the topic when both say so, or when it
holds every word of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from app.answers.sentences import split_sentences
from app.answers.types import Passage
from app.answers.words import WORD, content_words, number_forms
from ingest.instructions import without_instructions
from retrieval.types import Encode, ScorePairs

SENTENCE_CHARACTERS = (25, 320)  # of a sentence that can stand for a document
ON_TOPIC = 0.28  # least product of relevance 0..1 and cosine


def quotable(passages: Sequence[Passage]) -> list[str]:
    """Whole sentences in their order, on one line each, without those that address a model."""
    least, most = SENTENCE_CHARACTERS
    sentences = [
        text
        for passage in passages
        for trusted in (without_instructions(passage.chunk.text)[0],)
        for start, end in split_sentences(trusted)
        if least <= len(text := " ".join(trusted[start:end].split())) <= most and text[-1] in ".!。！"
    ]
    return list(dict.fromkeys(sentences))


def on_topic(
    topic: str, sentences: Sequence[str], score_pairs: ScorePairs, encode: Encode, count: int
) -> list[str]:
    """At most `count` sentences that speak of the topic, in their order; empty when none does."""
    if not sentences:
        return []
    relevance = score_pairs([(topic, sentence) for sentence in sentences])
    vectors = encode([topic, *sentences])
    scores = relevance * (vectors[1:] @ vectors[0]).clip(min=0)
    kept = [
        index
        for index in scores.argsort(kind="stable")[::-1].tolist()
        if scores[index] >= ON_TOPIC or holds(sentences[index], topic)
    ]
    return [sentences[index] for index in sorted(kept[:count])]


def holds(sentence: str, topic: str) -> bool:
    """Whether every content word of the topic stands in the sentence, in singular or plural."""
    said = {word.casefold() for word in WORD.findall(sentence)}
    asked = content_words(topic)
    return bool(asked) and all(not said.isdisjoint(number_forms(word)) for word in asked)
